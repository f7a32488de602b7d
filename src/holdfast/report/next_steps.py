"""Writes what to do next, from the verdicts of a run: a sentence and a command for each step.

Commands name the files of the run where its config has them. Long commands have several lines, joined by backslashes.
"""

from collections.abc import Mapping, Sequence
from shlex import quote
from shlex import split as shell_words
from typing import NamedTuple

from holdfast.counts import counted
from holdfast.models.options import LONG_ENOUGH
from holdfast.report.cut_off import cut_off_of
from holdfast.report.in_short import InShort, claim_of
from holdfast.report.noise_claims import quoted_noise
from holdfast.report.records import Noise, Report
from holdfast.report.subject import short_name, toy_words
from holdfast.report.tuning_claims import OVER_REFUSAL_CLAIMS
from holdfast.report.verdict import Verdict

GATE = (
    'holdfast compare before.json after.json --fail-if "refusal < before - 0.05" '
    '--fail-if "over_refusal > before + 0.05"'
)
OWN_MODEL = "holdfast init my-run.toml --like qwen2.5-0.5b"
MORE_BORDERLINE = (
    " But it also refuses more safe prompts. To train one that refuses fewer, add borderline prompts with answers to "
    "the setting refusals.harmless of the config, or lower enhance.learning_rate."
)
COHERENT = 0.9
"""Share of coherent answers under noise below which weaker noise is advised."""
WIDTH = 72
"""Characters of a line of a command. A single longer option stays whole, and the page wraps it."""


class Step(NamedTuple):
    """One thing to do next."""

    text: str
    command: str = ""


def next_steps(report: Report, shorts: Sequence[InShort], verdicts: Sequence[Verdict]) -> list[Step]:
    """Lists what to do next. A run that is not complete is first to be finished. Empty without any answer."""
    if report.missing:
        count = counted(len(report.missing), "missing piece")
        again = "This command" if report.goes_on else "The command that started it"
        text = f"Finish the run, unless it still goes on. {again} makes the {count}, and keeps all others."
        return [Step(text, in_lines(report.goes_on or ""))]
    if not shorts:
        return []
    answers = {short.stage: short.answer for short in shorts}
    own = [Step("Run this on your own model. The command writes a config to fill in.", OWN_MODEL)]
    steps = own if toy_words(report) else []
    steps += _strengthen(report, answers.get("enhance"), verdicts)
    steps += _hold(report, answers.get("adapt"))
    undecided = {stage: claim_of(stage, verdicts) for stage, answer in answers.items() if answer == "Not decided"}
    if "verify" in undecided and _is_broken(report.verify, quoted_noise(report.verify, report.safety)):
        del undecided["verify"]
        steps.append(_weaker(report.verify))
    cut_off = cut_off_of(report)
    if cut_off and cut_off.misstates:
        steps.append(Step(f"Answers were cut off. Run again with generate.max_new_tokens = {LONG_ENOUGH} or more."))
    steps += _decide(report, shorts, undecided)
    ships = (
        "Before a tuned model ships, run `holdfast evaluate` on it and on the model before, with harmful and harmless "
        "prompts of your own, and compare the two files."
    )
    return [*(step._replace(command=in_lines(step.command)) for step in steps), Step(ships, in_lines(GATE))]


def in_lines(command: str) -> str:
    """Breaks a command before its options into lines of at most 72 characters, joined by backslashes."""
    options: list[str] = []
    for word in shell_words(command):
        if word.startswith("--") or not options:
            options.append(quote(word))
        else:
            options[-1] += f" {quote(word)}"
    lines = options[:1]
    for option in options[1:]:
        if len(lines[-1]) + 1 + len(option) > WIDTH - len(" \\"):
            lines.append(f"    {option}")
        else:
            lines[-1] += f" {option}"
    return " \\\n".join(lines)


def _decide(report: Report, shorts: Sequence[InShort], undecided: Mapping[str, Verdict | None]) -> list[Step]:
    """Writes what would decide the claims behind “Not decided”, where more prompts or draws of noise would."""
    questions: dict[str, list[str]] = {}
    for short in shorts:
        claim = undecided.get(short.stage)
        if claim and not claim.why and not claim.lost:
            questions.setdefault(claim.more, []).append(short.question)
    setting = f" (setting verify.draws of the config, now {report.verify.draws})"
    return [
        Step(
            f"Run again with {more}{setting if 'draws' in more else ''}, in a new folder, to decide: {' '.join(asked)}"
        )
        for more, asked in questions.items()
    ]


def _is_broken(verify: Noise, at: int | None) -> bool:
    """True where so few answers under noise are coherent that a loss of refusals says nothing."""
    coherent = None if at is None else verify.rates("coherence").at("top", at)
    return coherent is not None and coherent.value is not None and coherent.value < COHERENT


def _weaker(verify: Noise) -> Step:
    """Advises a noise ratio between the largest that left the text whole and the next one, which broke it."""
    ratios = sorted((ratio, _is_broken(verify, at)) for at, ratio in enumerate(verify.noise_ratio))
    broken = min(ratio for ratio, breaks in ratios if breaks)
    whole = max((ratio for ratio, breaks in ratios if not breaks and ratio < broken), default=0.0)
    place = f"between {whole:g} and {broken:g}" if whole else "below it"
    return Step(
        f"Noise of ratio {broken:g} on the selected weights broke much of the text, which says nothing about safety. "
        f"Add a ratio {place}, such as {(whole + broken) / 2:.2g}, to the setting verify.ratios of the config, and run "
        "again."
    )


def _named(path: str | None, otherwise: str) -> str:
    """Returns a model or file for a command. A path from the root is shortened, because the page may be public."""
    return otherwise if path is None else quote(short_name(path) if path.startswith(("/", "~")) else path)


def _of_run(report: Report, file: str) -> str:
    """Returns a file of the run for a command in the folder where the run was started."""
    return quote(f"{report.folder}/{file}" if report.folder else file)


def _strengthen(report: Report, answer: str | None, verdicts: Sequence[Verdict]) -> list[Step]:
    if answer != "Yes":
        return []
    cost = OVER_REFUSAL_CLAIMS["enhance"]
    worse = any(one.claim == cost and one.answer == "does not hold" for one in verdicts)
    warning = MORE_BORDERLINE if worse else ""
    patch = report.enhance.patch
    model = _named(report.config.unaligned or report.config.model, "MODEL")
    file = _of_run(report, patch.file) if patch and patch.file else ""
    command = f"holdfast patch apply {model} {file} --out safer" if file else ""
    return [
        Step(f"Apply the patch to get the safer model. `holdfast patch revert` takes it off again.{warning}", command)
    ]


def _hold(report: Report, answer: str | None) -> list[Step]:
    mask, model = report.adapt.mask, _named(report.config.model, "MODEL")
    task, refusals = _named(report.config.task, "task.jsonl"), _named(report.config.refusals, "refusals.jsonl")
    if answer == "Yes" and mask:
        command = f"holdfast adapt {model} --mask {_of_run(report, mask)} --task {task} --out tuned"
        return [Step(f"Fine-tune with this mask held. Put your own task in place of {task}.", command)]
    if answer == "No":
        text = (
            "Holding this mask did not keep safety. Mix refusals into the task, and compare. Add borderline prompts "
            f"with helpful answers to their file.{_stands_for(report)}"
        )
        return [
            Step(text, f"holdfast adapt {model} --method mixed --safety {refusals} --task {task} --out tuned"),
        ]
    return []


def _stands_for(report: Report) -> str:
    """Explains the names of files that the config does not have."""
    words = [] if report.config.refusals else ["refusals.jsonl stands for harmful prompts with refusals"]
    words += [] if report.config.task else ["task.jsonl stands for exchanges of your task"]
    return f" Here {', and '.join(words)}." if words else ""
