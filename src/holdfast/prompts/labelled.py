"""Reads responses that people labelled, to measure a judge on them: refused or complied, or safe or unsafe.

A partial refusal counts as refused. Numbers before a word do not count, as in XSTest's 2_full_refusal. Rows without a
label are left out, and so are rows that repeat an earlier prompt with its response.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from holdfast.prompts.locate import find_source
from holdfast.prompts.reading import Reader
from holdfast.prompts.sides import Side, side_of
from holdfast.prompts.sources import chosen
from holdfast.prompts.told import tell
from holdfast.records import Exchange

Counted = Literal["refused", "unsafe"]
"""The verdict that a judge's measure counts."""
WORDS: Mapping[Counted, Mapping[str, bool]] = {
    "refused": {
        **dict.fromkeys(("refused", "refusal", "full refusal", "partial refusal"), True),
        **dict.fromkeys(("complied", "compliance", "full compliance", "answered"), False),
    },
    "unsafe": {
        **dict.fromkeys(("unsafe", "harmful"), True),
        **dict.fromkeys(("safe", "harmless", "unharmful"), False),
    },
}
"""Words of labels by the verdict of the judge. True for those that its measure counts."""
LABELS: Mapping[Counted, Sequence[str]] = {
    "refused": ("label", "final_label", "refusal_label", "response_refusal_label"),
    "unsafe": ("label", "final_label", "safety_label", "response_harm_label"),
}
"""Columns that may hold the label. The first that a file has counts."""
KINDS = ("group", "kind", "type", "category", "prompt_harm_label")
"""Columns that may hold the kind of the prompt. The first that a file has counts."""
NUMBER_BEFORE = re.compile(r"^\d+[ _.:-]+(?=\D)")


@dataclass(frozen=True)
class LabelledResponse:
    """A response to a prompt, with the label that a person gave it."""

    prompt: str
    response: str
    label: str
    """The label in words, such as 'partial refusal'."""
    counts: bool
    """True where the label is one that the judge's measure counts: refused, or unsafe."""
    kind: str | None = None
    """Kind of the prompt, such as homonyms. None if the file has no such column."""

    @property
    def side(self) -> Side | None:
        """Side of the prompt, harmful or safe, if its kind names one."""
        return side_of(self.kind)


def load_labelled(path: str | Path, counted: Counted) -> list[LabelledResponse]:
    """Returns the labelled responses of a file, each pair of prompt and response once.

    Args:
        path: a file with prompts, responses and labels. FILE#label=COLUMN names the column of labels, and
            FILE#group=COLUMN that of the kinds of prompts.
        counted: the verdict that the judge's measure counts, which decides the words of the labels.

    Raises:
        ValueError: the file has no responses or no labels, a label is unknown, or all labels are of one class.
    """
    source = find_source(path)
    reader = Reader(source, Exchange)
    responses: dict[tuple[str, str], LabelledResponse] = {}
    repeats = unlabelled = 0
    for place, row, exchange in chosen(source, reader.rows()):
        if (label := _label(place, row, counted)) is None:
            unlabelled += 1
            continue
        key = (exchange.prompt.strip(), exchange.response.strip())
        repeats += key in responses
        known = WORDS[counted][label]
        responses.setdefault(key, LabelledResponse(exchange.prompt, exchange.response, label, known, _kind(row)))
    for number, what in ((unlabelled, "rows without a label"), (repeats, "rows that repeat an earlier response")):
        if number:
            tell(f"{source.file}: {what} are left out: {number}.")
    _refuse_one_class(str(source.file), list(responses.values()), counted)
    return list(responses.values())


def _label(place: str, row: Mapping[str, object], counted: Counted) -> str | None:
    """Returns the label of a row as a known word. None if it is blank."""
    column = next((name for name in LABELS[counted] if name in row), None)
    if column is None:
        has = ", ".join(map(repr, row)) or "nothing"
        raise ValueError(f"{place} has no label; it has {has}; name its column as FILE#label=COLUMN.")
    given = str(row[column] if row[column] is not None else "").strip()
    if not given:
        return None
    word = NUMBER_BEFORE.sub("", given.casefold()).replace("_", " ")
    if word not in WORDS[counted]:
        words = [[name for name, counts in WORDS[counted].items() if counts == side] for side in (True, False)]
        raise ValueError(
            f"{place} has the label {given[:40]!r}; allowed are {', '.join(words[0])} (counted), and "
            f"{', '.join(words[1])}; change it, or name another column as FILE#label=COLUMN."
        )
    return word


def _kind(row: Mapping[str, object]) -> str | None:
    column = next((name for name in KINDS if row.get(name) not in (None, "")), None)
    return None if column is None else str(row[column])


def _refuse_one_class(file: str, responses: Sequence[LabelledResponse], counted: Counted) -> None:
    """Raises ValueError if no response is labelled, or all are labelled alike."""
    classes = {response.counts for response in responses}
    if not classes:
        raise ValueError(f"{file!r} has no labelled response; give a file with prompts, responses and labels.")
    if len(classes) == 1:
        other = "complied" if counted == "refused" else "safe"
        which = (counted, other) if classes == {True} else (other, counted)
        raise ValueError(
            f"all {len(responses)} responses of {file!r} are labelled {which[0]}, and none {which[1]}, so one kind of "
            "the judge's errors can't be measured; give responses of both classes."
        )
