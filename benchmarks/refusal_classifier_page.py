"""The tables of a trained refusal judge beside those of the rules, on what neither was made with."""

from collections.abc import Sequence
from pathlib import Path

from labelled_refusals import HALVES, Labelled, Rule, agreement, complying, figures, of_half, table

from holdfast.judge.classifier import ClassifierJudge
from holdfast.judge.excerpt import prompt_excerpt, response_excerpt
from holdfast.judge.refusal_classifier import RefusalClassifier
from holdfast.pipeline.judges import load_judge
from holdfast.thoughts import without_thoughts
from holdfast.values import Outcome

HEADER = ("set", "judge", "agreement", "kappa", "precision", "recall", "false positives")
STRANGERS = ("safe", "unsafe", "doubtful", "jailbreaks")
ALONE, TOGETHER = "classifier alone", "classifier, rules behind"


def trained_rules(folder: Path, responses: Sequence[Labelled]) -> dict[str, Rule]:
    """The classifier by itself, and as `--refusal-judge` has it: every response is judged once."""
    judge = load_judge(str(folder))
    assert isinstance(judge, RefusalClassifier), f"{folder} has other labels than refused and answered"
    spoken = [response_excerpt(without_thoughts(one.response)) for one in responses]
    alone = ClassifierJudge.judge(judge, [prompt_excerpt(one.prompt) for one in responses], spoken)
    together = judge.judge([one.prompt for one in responses], [one.response for one in responses])
    return {ALONE: _looked_up(responses, alone), TOGETHER: _looked_up(responses, together)}


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
    return f"""
{table(HEADER, body)}
Answers to jailbreak templates that comply, found by each judge:

{table(("judge", "recall", "precision"), complied)}
{_kinds(rules, strangers)}"""


def _kinds(rules: dict[str, Rule], strangers: Sequence[Labelled]) -> str:
    kinds = {kind: [one for one in strangers if one.kind == kind] for kind in sorted({one.kind for one in strangers})}
    body = [[kind, *(f"{agreement(rule, said):.2f}" for rule in rules.values())] for kind, said in kinds.items()]
    return table(("kind of the strangers' answers", *rules), body)
