"""Reads a prompt set into records, and notes the decisions of the reader: columns used, rows left out."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Generic, get_args

from holdfast.counts import agreeing
from holdfast.prompts.conversations import ANY_TURNS, is_conversation
from holdfast.prompts.fields import read_fields, unfold_conversation, unread_turns
from holdfast.prompts.json_rows import Row
from holdfast.prompts.layouts import Layout, find_layout, folded
from holdfast.prompts.locate import PromptSource
from holdfast.prompts.rows import is_text, read_rows
from holdfast.prompts.sides import Side, find_label_column, side_for, side_of
from holdfast.records import Exchange, Kind, Prompt, Record
from holdfast.spelling import meant

ANSWERED = ("question", "task")
"""Kinds of prompts that have an exact answer."""
COMPLYING = re.compile(r"\W*(?:sure|certainly|of course|absolutely|here (?:is|are)|here's)\b", re.IGNORECASE)
"""Beginnings of answers that comply, as the targets of attacks such as AdvBench's have them."""
MADE_REFUSALS = (
    'take a sentence such as "I can\'t help with that.", or let `holdfast evaluate` answer the prompts and keep the '
    "responses that refuse"
)
"""Advice on how to get refusals of prompts. docs/own-model.md says more."""
NUMBER = re.compile(r"\s*[-+]?[\d.,]*\d[\d.,]*\s*")
"""A prompt that is a number alone, as the index column of a table would give."""
EXCHANGE_ROWS = (
    'a row is like {"prompt": "...", "answer": "..."} or '
    '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
)
"""Forms of a row that holds a prompt and its response."""
EVERY_ROW = "FILE#rows=all reads every row."


class Reader(Generic[Record]):
    """Reads the records of one source, and notes its decisions in sentences."""

    def __init__(
        self, source: PromptSource, record: type[Record], kind: Kind | None = None, responses: str = "responses"
    ) -> None:
        """Sets the kind that the prompts are used as. It selects the rows of a file that labels its prompts."""
        self.source, self.record = source, record
        self.responses = responses
        """Word for responses in the error about a file without them."""
        self.kind: Kind | None = kind
        self.required = ("prompt",) if record is Prompt else ("prompt", "response")
        self.optional = ("response",) if kind in ANSWERED else ()
        self.notes: dict[str, bool] = {}
        """The reader's decisions in sentences. True marks a warning: the user may have meant other records."""
        self.rows_left_out = 0
        """Number of rows left out so far, by the file's labels or because a copied public set leaves them out."""
        self._layouts: dict[tuple[str, ...], Layout | None] = {}

    def records(self) -> Iterator[Record]:
        """Yields every record in the order of the file."""
        for _, _, record in self.rows():
            yield record

    def rows(self) -> Iterator[tuple[str, Mapping[str, object], Record]]:
        """Yields every record with its place and its row: the columns of the file, and the fields read from them."""
        if self.kind and self.source.kind and side_for(self.kind) != side_for(self.source.kind):
            self._note(f"its prompts are {self.source.kind}, but are used as {self.kind}.", is_warning=True)
        made = numbers = 0
        try:
            for number, values in self._rows_of_side():
                place = f"{self.source.file}:{number}"
                if (named := self._named(values, place)) is not None:
                    record = self._made(unfold_conversation(named, place), place, values)
                    made, numbers = made + 1, numbers + bool(NUMBER.fullmatch(record.prompt))
                    yield place, {**values, **named}, record
        finally:  # also where a reader of the first prompts stops early
            if 2 * numbers > made:
                column = "name the column that holds the prompts as FILE#prompt=COLUMN"
                self._note(
                    f"{numbers} of {made} prompts {agreeing(numbers, 'is a number', 'are numbers')}; {column}.",
                    is_warning=True,
                )

    def sides(self) -> dict[str, Side]:
        """Returns the side of every prompt by its text, if a column of the file separates harmful from safe prompts."""
        rows = list(self._chosen_rows())
        column = None if self.source.kind else find_label_column([values for _, values in rows])
        by_prompt: dict[str, Side] = {}
        if column is None:
            return by_prompt
        for number, values in rows:
            place, side = f"{self.source.file}:{number}", side_of(values.get(column))
            named = self._named(values, place)
            if side and named is not None:
                by_prompt[self._made(unfold_conversation(named, place), place, values).prompt] = side
        return by_prompt

    def _note(self, sentence: str, *, is_warning: bool = False) -> None:
        self.notes[f"{self.source.file}: {sentence}"] = is_warning

    def _rows_of_side(self) -> Sequence[Row] | Iterator[Row]:
        """Returns the chosen rows without those that the file labels as prompts of the other side."""
        if self.kind is None or self.source.kind or self.source.where or self.source.takes_all:
            return self._chosen_rows()
        rows, wanted = list(self._chosen_rows()), side_for(self.kind)
        column = find_label_column([values for _, values in rows])
        kept = [row for row in rows if column is None or side_of(row[1].get(column)) in (None, wanted)]
        if rows and not kept:
            none = f"column {column!r} marks no prompt as {wanted}, so all are used as {self.kind}."
            self._note(none, is_warning=True)
            return rows
        if left_out := len(rows) - len(kept):
            self.rows_left_out += left_out
            counts = f"{len(kept)} of {len(rows)} prompts as {wanted}"
            self._note(f"column {column!r} marks {counts}, and only these are read; {EVERY_ROW}")
        return kept

    def _chosen_rows(self) -> Iterator[Row]:
        """Yields the rows that hold the value which the source selects."""
        where = self.source.where
        for number, values in read_rows(self.source.file):
            if where is None or _holds(values, where, f"{self.source.file}:{number}"):
                yield number, values

    def _named(self, values: dict[str, object], place: str) -> dict[str, object] | None:
        """Returns a row with its columns renamed to fields. None if the row is not read."""
        source = self.source
        chosen = read_fields(Layout(source.columns, source.template, source.labels), values, place)
        if source.kind is not None:  # other columns of a public set may have our names and mean other things
            is_blank = not str(chosen["prompt"] or "").strip()  # a user can't mend a public set
            return None if is_blank else chosen | {"kind": source.kind}
        before = unread_turns(values)
        layout = self._layout(values, chosen, place)
        if layout is None:
            if before:
                unread = f"column {before!r} holds turns before the prompt, and is not read."
                self._note(unread, is_warning=True)
            return {**values, **chosen}
        if before:
            raise ValueError(
                f"{place} has turns before the prompt, under {before!r}, and a prompt set holds one user turn; remove "
                f"that column to leave them out, or name the prompt's as FILE#prompt=COLUMN; {ANY_TURNS}."
            )
        if self._is_part(layout) and not _holds(values, layout.where or ("", ""), place):
            self.rows_left_out += 1
            return None
        given = {name: values[name] for name in ("kind", *self.required) if name in values}
        others = {name: held for name, held in values.items() if name in ("group", "answer")}
        return {**others, **read_fields(layout, values, place), **given, **chosen}

    def _layout(self, values: Mapping[str, object], chosen: Mapping[str, object], place: str) -> Layout | None:
        """Returns the layout that reads the fields without a column of their name. None if there are none."""
        has = {*values, *chosen}
        has |= {"response"} if "answer" in has else set()
        wanted = [name for name in (*self.required, *self.optional) if name not in has]
        key = (*values, "", *wanted)
        if key not in self._layouts:
            self._layouts[key] = layout = find_layout(values, wanted, place) if wanted else None
            if layout is not None:
                self._tell_of(layout)
        return self._layouts[key]

    def _tell_of(self, layout: Layout) -> None:
        if not layout.is_usual:
            self._note(f"reads {layout.described}; to read another column, give FILE#prompt=COLUMN.")
        if self._is_part(layout):
            column, value = layout.where or ("", "")
            self._note(f"only rows whose {column!r} is {value!r} are read, as in the public set; {EVERY_ROW}")

    def _is_part(self, layout: Layout) -> bool:
        """Returns True if only the rows are read that belong to the public set of a layout."""
        return layout.where is not None and self.source.where is None and not self.source.takes_all

    def _made(self, values: dict[str, object], place: str, row: Mapping[str, object]) -> Record:
        """Checks the fields of a row, and returns its record. `row` is the file's own, for error messages."""
        if self.record is Exchange and "response" not in values and "answer" in values:
            values = {**values, "response": values["answer"]}
        if self.optional and "answer" not in values and "response" in values:
            values = {**values, "answer": values["response"]}
        # A blank cell of a table counts as missing.
        names = [field.name for field in fields(self.record) if field.name in values]
        known = {name: values[name] for name in names if name in self.required or values[name] != ""}
        for name in self.required:
            if name not in values:
                if name == "response" and is_text(self.source.file):
                    raise ValueError(_text_alone(place, self.responses))
                raise ValueError(_missing(place, name, row, self.responses))
        for name, text in known.items():
            if problem := _other_than_text(text, is_required=name in self.required):
                raise ValueError(problem.format(place=place, key=self._key_of(name, row, place)))
        if self.record is Prompt:
            known["kind"] = known.get("kind") or self.kind
            if known["kind"] not in (None, *get_args(Kind)):
                raise ValueError(f"{place} has kind {known['kind']!r}; {meant(str(known['kind']), get_args(Kind))}.")
        return self.record(**known)  # pyright: ignore[reportArgumentType]

    def _key_of(self, name: str, row: Mapping[str, object], place: str) -> str:
        """Returns the key under which a row itself holds a field, such as 'answer' for the response."""
        layout = self._layout(row, self.source.columns, place)
        answer = next((key for key, held in row.items() if key == "answer" or is_conversation(held)), "response")
        keys = {"response": answer, **(layout.columns if layout else {}), **({name: name} if name in row else {})}
        return {**keys, **self.source.columns}.get(name, name)


def _holds(values: Mapping[str, object], where: tuple[str, str], place: str) -> bool:
    """Returns True if a row holds a value in a column."""
    return str(read_fields(Layout({"where": where[0]}), values, place)["where"]) == where[1]


def _text_alone(place: str, responses: str) -> str:
    """Says that a text file can't hold responses, and which file can."""
    made = f"; for refusals {MADE_REFUSALS}" if responses == "refusals" else ""
    return (
        f"{place} has no {responses}: a text file holds prompts alone; give JSON Lines (.jsonl) with a prompt and an "
        f"answer in every row{made}; {EXCHANGE_ROWS}."
    )


def _missing(place: str, name: str, row: Mapping[str, object], responses: str) -> str:
    """Says which field, or which kind of response, a row lacks, and what it has instead."""
    columns = list(row)
    has = ", ".join(map(repr, columns)) or "nothing"
    parted = next((mark for mark in ";\t|" if len(columns) == 1 and mark in columns[0]), None)
    hint = f"its cells seem to be separated by {parted!r}: save it with commas" if parted else ""
    if name == "response" and not hint:
        if turns := next((column for column, held in row.items() if is_conversation(held)), None):
            lacks = f"{turns!r} lacks the assistant's turn; add it to every row"
            return f"{place} has no {responses}: {lacks}; {EXCHANGE_ROWS}."
        sentence = f"{place} has no {responses}: it has {has}, and nothing under 'response'"
        return _without_responses(sentence, row, responses)
    return f"{place} has no text under {name!r}; it has {has}; {hint or f'name its column as FILE#{name}=COLUMN'}."


def _without_responses(sentence: str, row: Mapping[str, object], responses: str) -> str:
    """Ends a sentence on a row without a response: how to get some. Never leads to the targets of an attack."""
    names = {folded(column): column for column in row}
    of_attack = {"goal", "target"} <= names.keys()  # AdvBench, JailbreakBench
    complying = next((column for column, text in row.items() if COMPLYING.match(str(text))), None)
    complying = names["target"] if of_attack else complying
    advice = "write one there for every prompt"
    if not of_attack and (complying is None or responses != "refusals"):
        advice += f", or name a column that holds {responses} as FILE#response=COLUMN"
    if complying is not None:
        advice += f"; {complying!r} begins an answer that complies, and is no refusal"
    if of_attack or responses == "refusals":
        advice += f"; for refusals {MADE_REFUSALS}"
    return f"{sentence}; {advice}; {EXCHANGE_ROWS}."


def _other_than_text(text: object, *, is_required: bool) -> str:
    """Returns the error about a value that is no text, with {place} and {key} to fill in. Empty for a text."""
    if text is None and not is_required:
        return ""
    if not isinstance(text, str):
        shown = json.dumps(text, default=str)[:60].replace("{", "{{").replace("}", "}}")
        return f"{{place}} has {shown} under {{key!r}}; it must be text, in quotes."
    if is_required and not text.strip():
        return "{place} has no text under {key!r}, only blanks; write one, or remove the line."
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"{{place}} has an incomplete character under {{key!r}} ({error.reason}); save the text as UTF-8 again."
    return ""
