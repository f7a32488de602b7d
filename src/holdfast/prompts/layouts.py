"""Columns that everybody knows: which of them hold the prompt, the response, the answer and the group.

A file with a column `prompt` is read by that. Any other is read like the public set or format whose columns it has: the
one with most of them wins. Where nothing fits, a lone column of a known name is taken, and two such are asked about.
"""

import string
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from holdfast.prompts.known import KNOWN, KnownSet
from holdfast.prompts.sides import side_of

COMMON = frozenset({"ag_news_train", "ag_news_test"})
"""Public sets whose columns (text, label) many other files have, which mean something else."""


@dataclass(frozen=True)
class Layout:
    """The columns of one format, by what they are read as."""

    columns: Mapping[str, str]
    template: str | None = None
    """The prompt of a row, its columns in braces, where none of them is the whole of it."""
    labels: tuple[str, ...] = ()
    """What the numbers in the column of answers stand for, from 0 on."""
    choices: str | None = None
    """The column that lists what the number in the column of answers stands for."""
    where: tuple[str, str] | None = None
    """A column and what it holds in the rows that are read."""
    beside: str | None = None
    """A column that is not read, by which the format is known."""

    @property
    def gives(self) -> frozenset[str]:
        """What can be read by it; an answer serves as a response."""
        named = {*self.columns, *(("prompt",) if self.template else ())}
        return frozenset(named | ({"response"} if "answer" in named else set()))

    @property
    def described(self) -> str:
        """Says which columns are read as what."""
        made = {"prompt": _in_braces(self.template)} if self.template else {}
        read = made | {field: [column] for field, column in self.columns.items()}
        if self.choices:
            read["answer"].append(self.choices)
        return ", ".join(f"{field} from {' and '.join(map(repr, columns))}" for field, columns in read.items())

    @property
    def needs(self) -> frozenset[str]:
        """The columns that a file must have to be read by it, folded."""
        named = {*self.columns.values(), *_in_braces(self.template)}
        named |= {column for column in (self.choices, self.beside) if column}
        return frozenset(map(folded, named))


def _of_set(known: KnownSet) -> Layout:
    """How a public set is read, by which a copy of its file is recognised; safe and unsafe rows are told by `sides`."""
    column, value = known.where or (None, None)
    where = None if side_of(value) else known.where
    return Layout(known.columns, known.template, known.labels, where=where, beside=column)


def _in_braces(template: str | None) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(template or "") if name]


def folded(column: object) -> str:
    """A column's name without case and outer blanks, blanks within it as underscores."""
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
"""Formats that are known by two columns or more."""
ALONE = {
    "prompt": (
        *("prompt", "question", "instruction", "goal", "behavior", "behaviour", "query", "request"),
        *("forbidden_prompt", "problem", "user_input", "user_prompt", "input", "text", "turns"),
        *("messages", "conversations", "conversation"),
    ),
    "response": ("response", "completion", "output", "solution", "answer"),
}
"""Names under which a column is found alone, by what it is read as. Conversations hold the response too."""
KNOWN_COLUMNS = frozenset().union(*(layout.needs for layout in LAYOUTS), *ALONE.values())
"""Every name that says of an object that it is a row."""


def find_layout(columns: Collection[str], wanted: Collection[str], place: str) -> Layout | None:
    """The layout of a row by which most of what is wanted can be read; None where nothing of it can.

    Args:
        columns: the names of the row's columns.
        wanted: fields of a record that no column has the name of.
        place: file and line, for the sentence.

    Raises:
        ValueError: several columns may hold what is wanted.
    """
    names = {folded(column): column for column in reversed(list(columns))}
    fitting = [one for one in LAYOUTS if len(one.needs) > 1 and one.needs <= names.keys() and one.gives & set(wanted)]
    best = max(fitting, key=lambda one: (len(one.gives & set(wanted)), len(one.needs)), default=Layout({}))
    alone = {field: _alone(field, names, place) for field in wanted if field not in best.gives}
    found = _renamed(best, names, {field: column for field, column in alone.items() if column})
    return found if found.gives else None


def _alone(field: str, names: Mapping[str, str], place: str) -> str | None:
    """The lone column of a known name."""
    found = [names[name] for name in ALONE.get(field, ()) if name in names]
    if len(found) > 1:
        raise ValueError(f"{place} may have the {field} under {_or(found)}; say which one as FILE#{field}={found[0]}.")
    return found[0] if found else None


def _or(names: Iterable[str]) -> str:
    *some, last = map(repr, names)
    return f"{', '.join(some)} or {last}"


def _renamed(layout: Layout, names: Mapping[str, str], alone: Mapping[str, str]) -> Layout:
    """The layout with its columns as the file spells them, and with those that were found alone."""
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
