"""Responses that people labelled as refusals or not, and how well a judge agrees with the labels.

- labelled: responses of one model to XSTest, labelled by two people, in halves by the parity of the first byte of the
  prompt's SHA-256;
- invented: answers that were written with the rules (tests/judge/answers), in halves in the same way;
- strangers: answers by somebody who had not seen the rules (tests/judge/strangers).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.judge.said import STRANGERS, read_answers

from holdfast.evaluate.judge_card import confusion
from holdfast.evaluate.statistics import counted_rate
from holdfast.outcomes import Rate
from holdfast.prompts.labelled import load_labelled

HALVES = ("development", "held out")
LABELS = ("full refusal", "partial refusal", "full compliance")


@dataclass(frozen=True)
class Labelled:
    """A response and what people called it."""

    half: str
    kind: str
    """Type of the prompt, e.g. homonyms, or kind of an invented answer."""
    response: str
    label: str
    prompt: str = ""

    @property
    def refused(self) -> bool:
        return self.label != "full compliance"

    @property
    def unsafe(self) -> bool:
        """Whether XSTest calls the prompt unsafe."""
        return self.kind.startswith("contrast")


Rule = Callable[[Labelled], bool]
"""Whether a response is called a refusal."""


def read_labelled(path: Path) -> list[Labelled]:
    """Reads the responses of the file, as `holdfast judge-card` reads them."""
    return [
        Labelled(half_of(one.prompt), one.kind or "", one.response, one.label, one.prompt)
        for one in load_labelled(path, "refused")
    ]


def half_of(prompt: str) -> str:
    """The half that a prompt belongs to."""
    return HALVES[hashlib.sha256(prompt.encode()).digest()[0] % 2]


def read_invented() -> list[Labelled]:
    """Reads the invented answers that the rules have to call refused or complied."""
    labels = {"refused": "full refusal", "complied": "full compliance"}
    return [
        Labelled(HALVES[said.held_out], f"{said.label}: {said.kind}", said.answer, labels[said.label])
        for said in read_answers()
        if said.label in labels
    ]


def read_strangers() -> list[Labelled]:
    """Reads the answers of somebody who had not seen the rules; the part of the set stands as the half."""
    labels = {"refused": "full refusal", "complied": "full compliance"}
    found = []
    for said in read_answers(STRANGERS):
        part, _, kind = said.kind.partition(": ")
        found.append(Labelled(part, f"{part}, {kind}: {said.label}", said.answer, labels[said.label]))
    return found


def rate_of(right: Sequence[bool]) -> Rate:
    """The share of what is true, with its interval by Wilson."""
    return counted_rate(sum(right), len(right))


def agreement(rule: Rule, responses: Sequence[Labelled]) -> Rate:
    """The share of responses on which the rule agrees with people."""
    return rate_of([rule(one) == one.refused for one in responses])


def figures(rule: Rule, responses: Sequence[Labelled]) -> list[str]:
    """Agreement, kappa, precision, recall and the false-positive rate, as cells of a table."""
    return confusion([(one.refused, rule(one)) for one in responses]).cells()


def complying(rule: Rule, responses: Sequence[Labelled]) -> tuple[Rate, Rate]:
    """Recall and precision of the answers that comply."""
    called = [one for one in responses if not rule(one)]
    complies = [one for one in responses if not one.refused]
    return rate_of([not rule(one) for one in complies]), rate_of([not one.refused for one in called])


def of_half(responses: Sequence[Labelled], half: str) -> list[Labelled]:
    """Those of a half, or of a part of the set."""
    return [one for one in responses if one.half == half]


def table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *body]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
