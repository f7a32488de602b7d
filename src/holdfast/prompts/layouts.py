"""Recognises the columns of well-known formats: which of them hold the prompt, the response, the answer and the group.

A file with a column `prompt` is read by that column. Any other file is read like the public set or format whose columns
it has. If several fit, the one with most columns wins. If none fits, a single column of a known name is used. Several
such columns are an error that asks the user to choose.
"""

import string
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from holdfast.prompts.known import KNOWN, KnownSet
from holdfast.prompts.sides import side_of

CONVERSATIONS = ("messages", "conversations", "conversation")
"""Columns that hold a whole conversation."""
COMMON = frozenset({"ag_news_train", "ag_news_test"})
"""Public sets whose columns (text, label) are common names that mean something else in many files."""


@dataclass(frozen=True)
class Layout:
    """The columns of one format, by field."""

    columns: Mapping[str, str]
    template: str | None = None
    """A template that makes the prompt out of several columns, whose names stand in braces."""
    labels: tuple[str, ...] = ()
    """Answers that the numbers in the column of answers stand for, from 0 on."""
    choices: str | None = None
    """The column that lists the choices. The number in the column of answers picks one of them."""
    where: tuple[str, str] | None = None
    """A column, and the value that it has in the rows to read."""
    beside: str | None = None
    """A column that shows the format, but is not read."""

    @property
    def gives(self) -> frozenset[str]:
        """Fields that this layout can read. An answer also serves as a response."""
        named = {*self.columns, *(("prompt",) if self.template else ())}
        return frozenset(named | ({"response"} if "answer" in named else set()))

    @property
    def is_usual(self) -> bool:
        """True if a conversation is all that is read, as trainers expect it."""
        return self.template is None and set(self.columns.values()) <= set(CONVERSATIONS)

    @property
    def described(self) -> str:
        """A list of the fields, each with the columns that it is read from."""
        by_template = {"prompt": _in_braces(self.template)} if self.template else {}
        read = by_template | {field: [column] for field, column in self.columns.items()}
        if self.choices:
            read["answer"].append(self.choices)
        return ", ".join(f"{field} from {' and '.join(map(repr, columns))}" for field, columns in read.items())

    @property
    def needs(self) -> frozenset[str]:
        """Columns that a file must have for this layout, folded."""
        named = {*self.columns.values(), *_in_braces(self.template)}
        named |= {column for column in (self.choices, self.beside) if column}
        return frozenset(map(folded, named))


def _of_set(known: KnownSet) -> Layout:
    """Returns the layout of a public set, by which a copy of its file is recognised.

    Files with safe and unsafe rows are divided by `sides`, not here.
    """
    column, value = known.where or (None, None)
    where = None if side_of(value) else known.where
    return Layout(known.columns, known.template, known.labels, where=where, beside=column)


def _in_braces(template: str | None) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(template or "") if name]


def folded(column: object) -> str:
    """Returns a column's name in small letters, without outer blanks, and with underscores for inner blanks."""
    return str(column).strip().casefold().replace(" ", "_")


LAYOUTS = (
    *(_of_set(known) for known in KNOWN.values() if known.name not in COMMON),
    Layout({}, "{instruction}\n\n{input}"),  # Alpaca
    Layout({"response": "output"}, "{instruction}\n\n{input}"),
    Layout({}, "{instruction}\n\n{context}"),  # Dolly
    Layout({"response": "response"}, "{instruction}\n\n{context}"),
    Layout({"prompt": "question", "group": "risk_area"}),  # Do-Not-Answer
    Layout({"prompt": "prompt", "answer": "answer_index"}, choices="classes"),  # MemoTrap
)
"""Formats that two or more columns identify."""
ALONE = {
    "prompt": (
        *("prompt", "question", "instruction", "goal", "behavior", "behaviour", "query", "request"),
        *("forbidden_prompt", "problem", "user_input", "user_prompt", "input", "text", "turns"),
        *CONVERSATIONS,
    ),
    "response": ("response", "completion", "output", "solution", "answer"),
}
"""Names by which a single column is recognised, by field. Conversations hold the response too."""
KNOWN_COLUMNS = frozenset().union(*(layout.needs for layout in LAYOUTS), *ALONE.values())
"""Names that mark an object as a row."""


def find_layout(columns: Collection[str], wanted: Collection[str], place: str) -> Layout | None:
    """Returns the layout that reads most of the wanted fields from a row. None if no layout reads any.

    Args:
        columns: the names of the row's columns.
        wanted: fields of a record that are not names of columns.
        place: file and line, for error messages.

    Raises:
        ValueError: several columns may hold a wanted field.
    """
    names = {folded(column): column for column in reversed(list(columns))}
    several = [layout for layout in LAYOUTS if len(layout.needs) > 1]
    fitting = [layout for layout in several if layout.needs <= names.keys() and layout.gives & set(wanted)]
    best = max(fitting, key=lambda layout: (len(layout.gives & set(wanted)), len(layout.needs)), default=Layout({}))
    alone = {field: _alone(field, names, place) for field in wanted if field not in best.gives}
    layout_of_file = _renamed(best, names, {field: column for field, column in alone.items() if column})
    return layout_of_file if layout_of_file.gives else None


def _alone(field: str, names: Mapping[str, str], place: str) -> str | None:
    """Returns the single column with a known name for the field."""
    candidates = [names[name] for name in ALONE.get(field, ()) if name in names]
    if len(candidates) > 1:
        raise ValueError(
            f"{place} may have the {field} under {_or(candidates)}; say which one as FILE#{field}={candidates[0]}."
        )
    return candidates[0] if candidates else None


def _or(names: Iterable[str]) -> str:
    *some, last = map(repr, names)
    return f"{', '.join(some)} or {last}"


def _renamed(layout: Layout, names: Mapping[str, str], alone: Mapping[str, str]) -> Layout:
    """Returns the layout with the file's spelling of its columns, and with the columns that were found alone."""
    template = layout.template
    for name in _in_braces(template):
        template = str(template).replace(f"{{{name}}}", f"{{{names[folded(name)]}}}")
    return Layout(
        {**{field: names[folded(column)] for field, column in layout.columns.items()}, **alone},
        template,
        layout.labels,
        layout.choices and names[folded(layout.choices)],
        layout.where and (names[folded(layout.where[0])], layout.where[1]),
    )
