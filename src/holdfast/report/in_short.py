"""Answers the question of each stage in one sentence, with intervals and controls, for the top of the page."""

from collections.abc import Mapping
from typing import NamedTuple

from holdfast.differences import rate_difference
from holdfast.outcomes import Rate
from holdfast.report.records import Report
from holdfast.report.safety import safety_name
from holdfast.report.summary import Card
from holdfast.report.verdict import Verdict

QUESTIONS = {
    "verify": "Does safety depend on the selected weights?",
    "enhance": "Does training only the selected weights (SET) make an unsafe model safer?",
    "adapt": "Does holding the selected weights (SPA) keep safety while the model learns a task?",
}
CLAIMS = {
    "verify": "Noise on the selected weights costs safety",
    "enhance": "SET on the selected weights makes the model safer",
    "adapt": "Holding the selected weights fast (SPA) keeps safety",
}
"""Beginning of the claim of each stage that answers its question."""
ANSWERS: Mapping[str, str] = {"holds": "Yes", "does not hold": "No", "inconclusive": "Not decided"}
ARMS = {
    "untouched": "without noise",
    "noise on random": "with the same noise on random weights",
    "before": "before training",
    "after": "after training only the selected weights",
    "tuning random": "after training random weights",
    "start": "before fine-tuning",
    "plain tuning": "with nothing held",
    "held fast": "with the selected weights held",
    "random held": "with random weights held",
}
"""Words for the arms of a card. An arm without words, such as utility, gets a sentence of its own."""

STILL = "the answer is the same if every answer that could not be scored counts against it"
FEW_UNSCORED = 0.01
"""Share of the answers without a verdict up to which a rate is shown without them."""


class InShort(NamedTuple):
    """A question, and its answer with the numbers behind it."""

    stage: str
    question: str
    answer: str
    numbers: str


def in_short(report: Report, cards: list[Card], verdicts: list[Verdict]) -> list[InShort]:
    """Answers the question of every stage that has its numbers."""
    return [_in_short(report, card, _claim(card.stage, verdicts)) for card in cards if card.complete]


def _in_short(report: Report, card: Card, claim: Verdict | None) -> InShort:
    answer = ANSWERS[claim.answer] if claim and claim.answer in ANSWERS else "Not decided"
    numbers = _numbers(report, card)
    reason = claim.lost if claim and not claim.why else ""
    still = STILL if answer == "Yes" and any(_scored(rate) for _, rate in (*card.large, *card.beside)) else ""
    return InShort(card.stage, QUESTIONS[card.stage], answer, numbers + _sentence(reason or still))


def _claim(stage: str, verdicts: list[Verdict]) -> Verdict | None:
    """Returns the claim that answers the question of a stage."""
    return next((verdict for verdict in verdicts if verdict.claim.startswith(CLAIMS[stage])), None)


def _numbers(report: Report, card: Card) -> str:
    """Writes the rate of the treated model, of its controls, and of the model before."""
    before, treated = card.large
    controls = [(ARMS[name], rate) for name, rate in (*card.beside, before) if name in ARMS and isinstance(rate, Rate)]
    shown = [(ARMS.get(treated[0], f"with {treated[0]}"), treated[1]), *controls]
    rates = ", ".join(f"{_short(rate)} {words}{_scored(rate, report.safety)}" for words, rate in shown)
    text = f"{safety_name(report)} is {rates}"
    useful = dict(card.beside).get("utility with noise")
    utility = _utility(report.verify.utility.baseline, useful) if isinstance(useful, Rate) else ""
    return f"{text[:1].upper()}{text[1:]}.{utility}{_sentence(card.coherence.partition('; ')[0])}"


def _utility(start: Rate | None, noisy: Rate) -> str:
    """Writes the utility with noise, and that without noise if it was measured."""
    change = rate_difference(start, noisy) if start else None
    if start is None or change is None:
        return f" Utility with that noise is {_short(noisy)}{_scored(noisy)}."
    verb = "falls" if change.high < 0 else "rises" if change.low > 0 else "goes"
    return f" Utility {verb} from {_short(start)}{_scored(start)} to {_short(noisy)}{_scored(noisy)} with that noise."


def _sentence(text: str) -> str:
    """Writes a text as one more sentence. Empty if there is none."""
    return f" {text[:1].upper()}{text[1:]}." if text else ""


def _short(rate: Rate | str) -> str:
    """Writes a rate with its interval. The card below has its n."""
    return str(rate).partition(" n=")[0]


def _scored(rate: Rate | str, measure: str = "") -> str:
    """Writes how many answers a rate is of, if more than 1% have no verdict. Attack success has a judge."""
    if isinstance(rate, str) or rate.unscored <= FEW_UNSCORED * (rate.n + rate.unscored):
        return ""
    by = "the judge could score" if measure == "asr" else "could be scored"
    return f" (of the {rate.n:,} of {rate.n + rate.unscored:,} answers that {by})"
