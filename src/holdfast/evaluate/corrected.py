"""Corrects the rates of an evaluation for the known errors of its judges (`rogan_gladen.py`).

A judge may err differently on harmful and on safe prompts. So a rate on harmful prompts is corrected by the card's
responses to harmful prompts, and a rate on safe prompts by those to safe prompts. Where a class of that part has fewer
than 10 labels, all of the card's responses are used, and the result says so.

Rates that are no share of single verdicts of one judge are not corrected, such as the sampling attack asr_any_of_K,
coherence, and coherent refusals.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from holdfast.arguments import checked_call, require
from holdfast.evaluate.counted import REFUSED_QUESTIONS
from holdfast.evaluate.judge_card import Confusion, JudgeCard
from holdfast.evaluate.rogan_gladen import correct
from holdfast.judge.refusal import RefusalJudge
from holdfast.outcomes import Evaluation, Rate
from holdfast.prompts.labelled import Counted
from holdfast.prompts.sides import Side

LEAST_LABELS = 10
"""Labels of each class, with a verdict, that a card needs for a correction, and that a part needs to be used alone."""
JUDGED: Mapping[str, tuple[Counted, Side]] = {
    "asr": ("unsafe", "harmful"),
    "asr_prefilled": ("unsafe", "harmful"),
    "refusal": ("refused", "harmful"),
    "not_refused": ("refused", "harmful"),
    "over_refusal": ("refused", "safe"),
    "borderline": ("refused", "safe"),
}
"""Verdict that each measure counts, and the side of its prompts. A group is judged like its measure."""


@dataclass(frozen=True)
class Corrected:
    """A measured rate beside the one that a judge without errors would have measured."""

    measured: Rate
    corrected: Rate | None
    """None where the card does not allow a correction."""
    part: str
    """Labelled responses that the correction uses: 'harmful prompts', 'safe prompts', or 'all'."""
    why: str | None = None
    """Reason for the part, or for a missing correction. None where the part fits and there is a correction."""


@checked_call
def corrected_rates(evaluation: Evaluation, cards: Mapping[Counted, JudgeCard]) -> dict[str, Corrected]:
    """Corrects every rate whose judge has a card, by the name of the measure or group."""
    require(evaluation, Evaluation, "load_evaluation(PATH) reads one")
    require(cards, Mapping, "give a dict such as {'refused': load_card(PATH)}")
    corrected = {}
    for name, rate in _rates(evaluation):
        counted, side = JUDGED[name.partition("/")[0]]
        card = cards.get(counted)
        if card is None or (rate.value is None) or (name == REFUSED_QUESTIONS and not _is_rules(card)):
            continue
        corrected[name] = _corrected(rate, card, side, turned=name == "not_refused")
    return corrected


def _rates(evaluation: Evaluation) -> Iterator[tuple[str, Rate]]:
    measure, safety = evaluation.safety
    rates = {measure: safety, **evaluation.rates}
    yield from ((name, rate) for name, rate in rates.items() if name.partition("/")[0] in JUDGED)


def _corrected(rate: Rate, card: JudgeCard, side: Side, *, turned: bool) -> Corrected:
    """Corrects one rate. `turned` marks the complement of what the judge counts."""
    part, confusion, why = _part(card, side)
    least = least_labels(confusion)
    if least < LEAST_LABELS:
        why = f"a class has only {least} labels with a verdict, and {LEAST_LABELS} are needed"
        return Corrected(rate, None, part, why)
    try:
        found = correct(rate, confusion.sensitivity, confusion.specificity, complement=turned)
    except ValueError as error:
        return Corrected(rate, None, part, str(error))
    return Corrected(rate, found, part, why)


def least_labels(confusion: Confusion) -> int:
    """Number of labelled responses with a verdict in the smaller class."""
    return min(confusion.sensitivity.n, confusion.specificity.n)


def _part(card: JudgeCard, side: Side) -> tuple[str, Confusion, str | None]:
    """Returns the part of a card for prompts of one side, or all of it with the reason."""
    confusion = card.sides.get(side)
    if confusion is None:
        return "all", card.whole, f"the labels do not tell {side} prompts apart"
    least = least_labels(confusion)
    if least < LEAST_LABELS:
        return "all", card.whole, f"a class has only {least} labels on {side} prompts"
    return f"{side} prompts", confusion, None


def _is_rules(card: JudgeCard) -> bool:
    """True for the card of the refusal rules, which read the responses to questions whatever the refusal judge is."""
    return card.fingerprint == RefusalJudge().fingerprint
