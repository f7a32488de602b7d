"""Answers the question of each stage in one sentence, with intervals and controls, for the top of the page."""

from collections.abc import Mapping
from typing import NamedTuple

from holdfast.decision import Decision
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
ANSWERS: Mapping[Decision, str] = {"holds": "Yes", "does not hold": "No", "inconclusive": "Not decided"}
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


class InShort(NamedTuple):
    """A question, and its answer with the numbers behind it."""

    stage: str
    question: str
    answer: str
    numbers: str


def in_short(report: Report, cards: list[Card], verdicts: list[Verdict]) -> list[InShort]:
    """Answers the question of every stage that has its numbers."""
    return [
        InShort(card.stage, QUESTIONS[card.stage], _answer(card.stage, verdicts), _numbers(report, card))
        for card in cards
        if card.complete
    ]


def _answer(stage: str, verdicts: list[Verdict]) -> str:
    answers = [verdict.answer for verdict in verdicts if verdict.claim.startswith(CLAIMS[stage])]
    return next((ANSWERS[answer] for answer in answers if answer in ANSWERS), "Not decided")


def _numbers(report: Report, card: Card) -> str:
    """Writes the rate of the treated model, of its controls, and of the model before."""
    before, treated = card.large
    controls = [(ARMS[name], rate) for name, rate in (*card.beside, before) if name in ARMS and isinstance(rate, Rate)]
    name = safety_name(report)
    text = f"{name[:1].upper()}{name[1:]} is {_short(treated[1])} {ARMS.get(treated[0], f'with {treated[0]}')}"
    text += "".join(f", {_short(rate)} {words}" for words, rate in controls) + "."
    useful = dict(card.beside).get("utility with noise")
    text += f" Utility with that noise is {_short(useful)}." if isinstance(useful, Rate) else ""
    coherent = card.coherence.partition("; ")[0]
    return text + (f" {coherent[:1].upper()}{coherent[1:]}." if coherent else "")


def _short(rate: Rate | str) -> str:
    """Writes a rate with its interval. The card below has its n."""
    return str(rate).partition(" n=")[0]
