"""Prompts and exchanges: the records of every prompt set."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeVar

from holdfast.arguments import checked_call
from holdfast.counts import counted
from holdfast.json_files import digest

Kind = Literal["harmful", "harmless", "borderline", "question", "task"]


@checked_call
@dataclass(frozen=True)
class Prompt:
    """One user request. `answer` is the exact answer of a question or task.

    `kind` is None where neither the file nor its use tells the kind of the prompt.
    """

    prompt: str
    kind: Kind | None = None
    group: str | None = None
    answer: str | None = None

    def __post_init__(self) -> None:
        _require_text("the prompt", self.prompt, "Prompt(text)")


@checked_call
@dataclass(frozen=True)
class Exchange:
    """A user request with an assistant's response. `label` is the true verdict, where it is known."""

    prompt: str
    response: str
    label: Literal["safe", "unsafe"] | None = None
    form: str | None = None

    def __post_init__(self) -> None:
        for name, text in (("the prompt", self.prompt), ("the response", self.response)):
            _require_text(f"{name} of an exchange", text, "Exchange(prompt, response)")


Record = TypeVar("Record", Prompt, Exchange)


def _require_text(what: str, given: object, call: str) -> None:
    if not isinstance(given, str):
        raise ValueError(f"{what} must be text, got {type(given).__name__}; give {call}.")


def require_records(name: str, records: object, kind: type[Prompt] | type[Exchange]) -> None:
    """Raises ValueError when an argument is not a list of this kind of record, such as a set's name or plain texts."""
    if not isinstance(records, Sequence) or not all(isinstance(record, kind) for record in records):
        load = "load_exchanges" if kind is Exchange else "load_prompts"
        raise ValueError(
            f"{name} must be a list of {kind.__name__}; give what holdfast.{load}(SET) returns, or make each with "
            f"{'Exchange(prompt, response)' if kind is Exchange else 'Prompt(text)'}."
        )


def distinct(records: Iterable[Record], repeats: list[tuple[Record, Record]] | None = None) -> Iterator[Record]:
    """Yields the records without repeats: the first prompt of each text, the first exchange of each pair of texts.

    Intervals assume independent prompts, so a repeated prompt counts once. Blanks around a text do not count.

    Args:
        records: records that may repeat.
        repeats: list that receives every repeat, with the record that it repeats.
    """
    kept: dict[tuple[str, ...], Record] = {}
    for record in records:
        texts = _texts(record)
        if texts not in kept:
            kept[texts] = record
            yield record
        elif repeats is not None:
            repeats.append((record, kept[texts]))


def _texts(record: Prompt | Exchange) -> tuple[str, ...]:
    response = (record.response.strip(),) if isinstance(record, Exchange) else ()
    return (record.prompt.strip(), *response)


def normalized_words(prompt: str) -> list[str]:
    """Returns a text's words without case, punctuation and spacing. Prompts with equal words are the same prompt."""
    return re.findall(r"\w+", prompt.casefold())


def normalized_hash(prompt: str) -> str:
    """SHA-256 of a text's normalized words, equal for the same prompt."""
    return hashlib.sha256(" ".join(normalized_words(prompt)).encode()).hexdigest()


def digest_of(records: Sequence[Prompt | Exchange]) -> str:
    """SHA-256 of prompts or exchanges, over all fields and in their order."""
    return digest([asdict(record) for record in records])


def shared_prompts(calibration: Iterable[Prompt | Exchange], evaluation: Iterable[Prompt | Exchange]) -> list[str]:
    """Returns the evaluation prompts that are calibration prompts as well."""
    seen = {normalized_hash(record.prompt) for record in calibration}
    return [record.prompt for record in evaluation if normalized_hash(record.prompt) in seen]


def refuse_contrary(refusals: Iterable[Exchange], harmless: Sequence[Exchange]) -> None:
    """Raises ValueError when a prompt is in both sets, which would train the model to refuse it and to help with it."""
    if shared := shared_prompts(refusals, harmless):
        raise ValueError(
            f"{counted(len(shared), 'prompt is', 'prompts are')} among the refusals and among the harmless "
            f"exchanges, the first is {shared[0]!r}; give two sets that share no prompt: harmful prompts with "
            "refusals, and harmless prompts with helpful responses."
        )


def refuse_shared(calibration: Iterable[Prompt | Exchange], evaluation: Sequence[Prompt | Exchange]) -> None:
    """Raises ValueError when a prompt that made scores or trained a model also evaluates them."""
    if shared := shared_prompts(calibration, evaluation):
        raise ValueError(
            f"{len(shared)} evaluation prompts are also calibration prompts, the first is {shared[0]!r}; "
            "remove them from one of the two sets."
        )
