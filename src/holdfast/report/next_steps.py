"""Writes what to do next, from the verdicts of a run: a sentence and a command for each step."""

from collections.abc import Sequence
from shlex import quote
from typing import NamedTuple

from holdfast.counts import counted
from holdfast.models.options import LONG_ENOUGH
from holdfast.report.cut_off import cut_off_of
from holdfast.report.in_short import InShort
from holdfast.report.noise_claims import quoted_noise
from holdfast.report.records import Report
from holdfast.report.subject import short_name, toy_words
from holdfast.report.verdict import Verdict

OVER_REFUSAL = "SET leaves over-refusal as it was"
GATE = 'holdfast compare before.json after.json --fail-if "refusal < before - 0.05"'
OWN_MODEL = "holdfast init my-run.toml --like qwen2.5-0.5b"
WEAKER = (
    "Noise on the selected weights broke some of the text, which says nothing about safety. Add a smaller "
    "number, such as 0.1, to the setting verify.ratios of the config, and run again."
)
COHERENT = 0.9
"""Share of coherent answers under noise below which weaker noise is advised."""
MIXED = "holdfast adapt {model} --method mixed --safety refusals.jsonl --task task.jsonl --out tuned"


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
        return [Step(text, report.goes_on or "")]
    if not shorts:
        return []
    answers = {short.stage: short.answer for short in shorts}
    own = [Step("Run this on your own model. The command writes a config to fill in.", OWN_MODEL)]
    steps = own if toy_words(report) else []
    steps += _strengthen(report, answers.get("enhance"), verdicts)
    steps += _hold(report, answers.get("adapt"))
    open_stages = {stage for stage, answer in answers.items() if answer == "Not decided"}
    if "verify" in open_stages and _is_broken_by_noise(report):
        open_stages.remove("verify")
        steps.append(Step(WEAKER))
    cut_off = cut_off_of(report)
    if cut_off and cut_off.misstates:
        steps.append(Step(f"Answers were cut off. Run again with generate.max_new_tokens = {LONG_ENOUGH} or more."))
    if open_stages:
        steps.append(Step("Where the answer is \u201cNot decided\u201d, run again with more prompts."))
    return [*steps, Step("Before a tuned model ships, compare it with the one before, on prompts of your own.", GATE)]


def _is_broken_by_noise(report: Report) -> bool:
    """True where so few answers under noise are coherent that a loss of refusals says nothing."""
    at = quoted_noise(report.verify, report.safety)
    coherent = None if at is None else report.verify.rates("coherence").at("top", at)
    return coherent is not None and coherent.value is not None and coherent.value < COHERENT


def _named(model: str | None) -> str:
    """Returns the model for a command. A path from the root of a disk is shortened, because the page may be public."""
    return "MODEL" if model is None else quote(short_name(model) if model.startswith(("/", "~")) else model)


def _strengthen(report: Report, answer: str | None, verdicts: Sequence[Verdict]) -> list[Step]:
    if answer != "Yes":
        return []
    worse = any(one.claim == OVER_REFUSAL and one.answer == "does not hold" for one in verdicts)
    warning = " But it refuses more harmless prompts than before: read some of them first." if worse else ""
    patch = report.enhance.patch
    model = _named(report.config.unaligned or report.config.model)
    command = f"holdfast patch apply {model} {patch.file} --out safer" if patch else ""
    return [Step(f"The patch makes the safer model of the one before, and comes off again.{warning}", command)]


def _hold(report: Report, answer: str | None) -> list[Step]:
    mask, model = report.adapt.mask, _named(report.config.model)
    if answer == "Yes" and mask:
        command = f"holdfast adapt {model} --mask {mask} --task task.jsonl --out tuned"
        return [Step("Fine-tune on your own task with this mask held.", command)]
    if answer == "No":
        return [
            Step(
                "Holding this mask did not keep safety. Mix refusals into your task, and compare.",
                MIXED.format(model=model),
            )
        ]
    return []
