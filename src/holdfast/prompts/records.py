"""Prompts and exchanges: the records that every prompt set is made of."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["harmful", "harmless", "borderline", "question", "task"]


@dataclass(frozen=True)
class Prompt:
    """One user request; `answer` is the exact answer of a question or task."""

    prompt: str
    kind: Kind = "harmful"
    group: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Exchange:
    """A user request with an assistant's response; `label` is a judge's truth where it is known."""

    prompt: str
    response: str
    label: Literal["safe", "unsafe"] | None = None
    form: str | None = None


def normalized_hash(prompt: str) -> str:
    """SHA-256 of the text without case, punctuation and spacing: what 'the same prompt' means."""
    return hashlib.sha256(" ".join(re.findall(r"\w+", prompt.casefold())).encode()).hexdigest()


def refuse_shared(calibration: Iterable[Prompt | Exchange], evaluation: Sequence[Prompt | Exchange]) -> None:
    """Raises ValueError when a prompt that made a score or a model also judges it."""
    seen = {normalized_hash(record.prompt) for record in calibration}
    shared = [record.prompt for record in evaluation if normalized_hash(record.prompt) in seen]
    if shared:
        raise ValueError(
            f"{len(shared)} evaluation prompts are also calibration prompts, the first is {shared[0]!r}; "
            "remove them from one of the two sets."
        )
