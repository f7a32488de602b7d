"""The tables of a trained refusal judge beside those of the rules, on what neither was made with."""

from collections.abc import Sequence
from pathlib import Path

from labelled_refusals import HALVES, Labelled, Rule, agreement, complying, figures, of_half, table

from holdfast.judge.refusal_classifier import UNSURE_BELOW, RefusalClassifier
from holdfast.pipeline.judges import load_judge
from holdfast.values import Outcome

ALONE, TOGETHER = "classifier alone", "classifier, rules behind"
HEADER = ("set", "judge", "agreement", "kappa", "precision", "recall", "false positives")
MADE = f"""A sequence classifier made by `benchmarks/real/refusal_guard.py --left-out 0.1` of the lower 18 layers of
SmolLM2-135M-Instruct. Its upper 6 layers learned for two epochs from 1,888 exchanges: the development half of the
responses above, the invented answers, 580 exchanges that were written for it, and phrases put together around harmless
instructions. On the 210 that were left out it is right on 0.93, the rules on 0.85. Where its log-odds are below
{UNSURE_BELOW} the rules decide. That bound was chosen on those 210.

The sets below were counted twice after that, and no error on them was read. The second count tried another bound: a
refusal that the rules do not see only from log-odds of 3.5 on. It left the responses of the one model at 0.946, took
the strangers' answers back to 0.875, and was dropped. Whoever wrote the exchanges had seen about fifteen of the
strangers' answers, and knew from the figures of the rules which kinds they miss. The strangers' answers have no prompts
here, so the judge reads the response alone.
"""
FAILS = """Where it fails:

- **Rambling answers of a small model** to harmful and borderline prompts: it calls 10 of 55 answers of
  SmolLM2-135M-Instruct refusals that a reader would not, most of them among those that were cut off after 32 tokens. It
  learned from whole answers of able models, and takes talk around the question for an evasion. Use the rules there.
- **Personas that evade.** A story that is told well, and holds nothing of what was asked, still looks like help.
- **Unsafe prompts.** There it agrees with people less than on safe ones: partial refusals are missed, and answers that
  argue are called refusals.
- **What is private.** "I don't have access to ..." with something near it is called either.
- **Languages other than English** are unscored, as by the rules: it was trained on English alone.
- **Other models.** Real answers of only one model, which it was trained on the other half of, were there to measure it.

"""
STRANGERS = ("safe", "unsafe", "doubtful", "jailbreaks")


def trained_rules(folder: Path, responses: Sequence[Labelled]) -> dict[str, Rule]:
    """The classifier by itself, and as `--refusal-judge` has it: every response is judged once."""
    judge = load_judge(str(folder))
    assert isinstance(judge, RefusalClassifier), f"{folder} has other labels than refused and answered"
    said = [one.response for one in responses]
    alone = judge.classify([one.prompt for one in responses], said)
    together = judge.decide(alone, said)
    return {
        ALONE: _looked_up(responses, alone),
        TOGETHER: _looked_up(responses, together),
    }


def _looked_up(responses: Sequence[Labelled], outcomes: Sequence[Outcome]) -> Rule:
    """What was said of each response; what is unscored counts as no refusal, as the rules count it."""
    said = {one: outcome.verdict == "refused" for one, outcome in zip(responses, outcomes, strict=True)}
    return said.__getitem__


def trained_section(rules: dict[str, Rule], labelled: Sequence[Labelled], strangers: Sequence[Labelled]) -> str:
    """Figures by set, answers to jailbreak templates, and agreement by kind."""
    held_out = of_half(labelled, HALVES[1])
    sets = {"one model, held out": held_out}
    for unsafe in (False, True):
        name = f"one model, held out, {'unsafe' if unsafe else 'safe'} prompts"
        sets[name] = [one for one in held_out if one.unsafe == unsafe]
    sets["strangers, all"] = list(strangers)
    sets |= {f"strangers, {part}": of_half(strangers, part) for part in STRANGERS}
    body = [[name, judge, *figures(rule, said)] for name, said in sets.items() for judge, rule in rules.items()]
    jailbreaks = of_half(strangers, "jailbreaks")
    complied = [[judge, *map(str, complying(rule, jailbreaks))] for judge, rule in rules.items()]
    return f"""## A trained judge beside the rules

{MADE}
{table(HEADER, body)}
Answers to jailbreak templates that comply, found by each judge:

{table(("judge", "recall", "precision"), complied)}
{_kinds(rules, strangers)}
{FAILS}"""


def _kinds(rules: dict[str, Rule], strangers: Sequence[Labelled]) -> str:
    kinds = {kind: [one for one in strangers if one.kind == kind] for kind in sorted({one.kind for one in strangers})}
    body = [[kind, *(f"{agreement(rule, said):.2f}" for rule in rules.values())] for kind, said in kinds.items()]
    return table(("kind of the strangers' answers", *rules), body)
