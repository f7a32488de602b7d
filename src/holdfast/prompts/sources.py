"""Loads the prompts and exchanges of a set: built in, a file, or a public one by name (see `locate`).

The reader logs its decisions: the columns that it used, the rows that it left out, and repeats.
"""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeVar, get_args

from holdfast.arguments import checked_call
from holdfast.prompts.locate import PromptSource, find_source
from holdfast.prompts.reading import Reader
from holdfast.prompts.sides import Side, side_for
from holdfast.prompts.told import tell
from holdfast.records import Exchange, Kind, Prompt, Record, distinct
from holdfast.spelling import meant

Chosen = TypeVar("Chosen")
SAMPLE_SEED = 0
"""Seed of `#sample=N`: a set gives the same prompts in every command."""


@checked_call
def load_prompts(path: str | Path, kind: Kind | None = None) -> list[Prompt]:
    """Returns the prompts of a set, each text once, since a rate counts independent prompts.

    Example:
        >>> harmful = load_prompts("testbed:harmful_heldout#first=8")

    Args:
        path: a file, `testbed:NAME`, or the name of a public set.
        kind: use of the prompts: 'harmful', 'harmless', 'borderline', 'question' or 'task'. In a file that labels its
            prompts, rows of the other side are left out: safe ones for 'harmful', harmful ones for any other kind.
            Without a kind every row is read, harmful and safe.

    Raises:
        ValueError: the set is missing or empty, a row has no prompt, a column is in doubt, or a kind is unknown.
    """
    require_kind_of_prompts(kind)
    source = find_source(path)
    reader = Reader(source, Prompt, kind)
    repeats: list[tuple[Prompt, Prompt]] = []
    prompts = chosen(source, distinct(reader.records(), repeats))
    _tell(reader)
    tell_repeats(str(source.file), repeats)
    return filled(source, prompts)


def require_kind_of_prompts(kind: object) -> None:
    """Raises ValueError for a kind that there is not. None stands for every kind."""
    if kind is not None and kind not in get_args(Kind):
        raise ValueError(f"{kind!r} is no kind of prompts; {meant(str(kind), get_args(Kind))}; or leave it out.")


@checked_call
def load_exchanges(path: str | Path, *, once: bool = False, responses: str = "responses") -> list[Exchange]:
    """Returns the exchanges of a set, in which every row has a prompt and a response (or an answer).

    Example:
        >>> refusals = load_exchanges("testbed:refusals#first=8", responses="refusals")

    Args:
        path: a file, `testbed:NAME`, or the name of a public set.
        once: True leaves out exact repeats, for example for a mean over exchanges. In training they stay, since
            repeating an exchange is a way to give it more weight. Their number is logged in both cases.
        responses: word for the responses in the error about a file without them, e.g. "refusals".
    """
    source = find_source(path)
    reader = Reader(source, Exchange, responses=responses)
    repeats: list[tuple[Exchange, Exchange]] = []
    exchanges = chosen(source, reader.records())
    unique = list(distinct(exchanges, repeats))
    _tell(reader)
    if repeats:
        effect = "and are left out" if once else "and add to its weight"
        tell(f"{source.file}: exchanges that repeat another one word for word, {effect}: {len(repeats)}.")
    return filled(source, unique if once else exchanges)


def labelled_sides(path: str | Path) -> dict[str, Side]:
    """Returns the side, harmful or safe, of every prompt that the set itself labels, by the prompt's text."""
    return Reader(find_source(path), Prompt).sides()


def count_prompts(path: str | Path, kind: Kind | None = None) -> int:
    """Counts the prompts that `load_prompts` returns, without reporting the decisions of the reader."""
    source = find_source(path)
    return len(chosen(source, distinct(Reader(source, Prompt, kind).records())))


def left_out(path: str | Path, kind: Kind) -> list[object]:
    """Lists what is left out of a set that is used as a kind: rows of the other side, and repeats. Empty if nothing is.

    Results on a part do not hold for the whole set, so this list belongs to the set's hash.
    """
    require_kind_of_prompts(kind)
    source = find_source(path)
    reader = Reader(source, Prompt, kind)
    repeats: list[tuple[Prompt, Prompt]] = []
    chosen(source, distinct(reader.records(), repeats))
    counts = [reader.rows_left_out, len(repeats)]
    return ["left out", side_for(kind), *counts] if any(counts) else []


def tell_repeats(where: str, repeats: Sequence[tuple[Prompt, Prompt]]) -> None:
    """Logs the number of prompts that were left out because they repeat another one."""
    if not repeats:
        return
    others = sum(repeat.answer != kept.answer for repeat, kept in repeats)
    differ = f" ({others} with another answer: the first one counts)" if others else ""
    tell(f"{where}: prompts that repeat another one are left out, so that each counts once: {len(repeats)}{differ}.")


def as_exchanges(questions: Sequence[Prompt]) -> list[Exchange]:
    """Returns questions with their exact answers as exchanges to learn from."""
    unanswered = [question.prompt for question in questions if question.answer is None]
    if unanswered:
        raise ValueError(f"question {unanswered[0]!r} has no 'answer'; every question needs one.")
    return [Exchange(question.prompt, str(question.answer)) for question in questions]


def chosen(source: PromptSource, records: Iterator[Chosen]) -> list[Chosen]:
    """Returns the records that the source selects.

    These are all, the first ones, the last ones, or a sample: one random record from each of equally long stretches.
    Records that the source skips are left out before that.
    """
    rest = islice(records, source.skip, None)
    if source.last is not None:
        return list(deque(rest, source.last))
    if source.sample is None:
        return list(islice(rest, source.first))
    every = list(rest)
    if source.sample >= len(every):
        return every
    draw = random.Random(SAMPLE_SEED)
    ends = [len(every) * place // source.sample for place in range(source.sample + 1)]
    return [every[draw.randrange(*stretch)] for stretch in pairwise(ends)]


def _tell(reader: Reader) -> None:
    for sentence, is_warning in reader.notes.items():
        tell(sentence, is_warning=is_warning)


def filled(source: PromptSource, records: list[Record]) -> list[Record]:
    """Returns the records of a source. Raises ValueError where there are none, and says why."""
    if records:
        return records
    if source.skip is not None:
        raise ValueError(f"skip={source.skip} leaves nothing of {str(source.file)!r}; skip fewer prompts.")
    if source.where is not None and source.kind is None:
        column, value = source.where
        raise ValueError(f"no row of {str(source.file)!r} has {value!r} under {column!r}; choose a value that it has.")
    raise ValueError(f"prompt file {str(source.file)!r} is empty; it needs at least one line with a 'prompt'.")
