"""How `--help` looks: groups of options, one line a choice, defaults in words.

A docstring is shown as it is written, but for its line breaks: paragraphs and lists (lines that begin with `- `) are
wrapped to the terminal. Options of rare groups are left to `--help-all`.
"""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from cyclopts import App
from cyclopts.help import HelpEntry, HelpPanel, InlineText
from cyclopts.help.formatters import DefaultFormatter
from cyclopts.help.specs import AsteriskColumn, ColumnSpec, NameRenderer
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from holdfast.option_groups import NEEDED, RARE_NAMES

WHOLE = "--help-all"
"""Shows every option of a command, where --help shows those that most people need."""
HELP_FLAGS = ("--help", "-h", WHOLE)
COMMAND = re.compile(r"[\w ]+: holdfast ")
"""Begins a paragraph that is an example."""
NAMES_SHARE = 0.36
"""Share of the width that the names of options have at most."""
EXIT_CODES = "Exit codes: 0 done; 2 a mistake, which one sentence explains; 130 or 143 stopped."
"""Of a command whose docstring names no others."""
IDLE = (None, "False", "()")
"""Defaults that say nothing: an option that is left out is off, or empty."""


def new_app(name: str, help: str, **settings: Any) -> App:
    """Makes a command that has commands, and whose help looks as that of all."""
    return App(
        name=name,
        help=help,
        help_flags=HELP_FLAGS,
        help_format="plaintext",  # shows docstrings as they are written: markup would swallow <think>
        group_arguments=NEEDED,
        group_parameters=NEEDED,
        **settings,
    )


class HelpPage(DefaultFormatter):
    """Lays out the help of a command; with `whole` that of every option."""

    def __init__(self, whole: bool = False) -> None:
        super().__init__(column_specs=_columns)
        self.whole = whole

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Prints one group of options or commands."""
        if self.whole or str(panel.title) not in RARE_NAMES:
            super().__call__(console, options, panel)

    def render_description(self, console: Console, options: ConsoleOptions, description: object) -> None:
        """Prints what the command does, its exit codes, and an example that can be copied where it wraps."""
        paragraphs = re.split(r"\n\s*\n", _plain(description))
        said = any(paragraph.lstrip().startswith("Exit codes:") for paragraph in paragraphs)
        for paragraph in [*filter(None, map(str.strip, paragraphs)), *([] if said else [EXIT_CODES])]:
            console.print(Text("\n".join(_wrapped(paragraph, console.width))), end="\n\n", soft_wrap=True)


def _columns(console: Console, options: ConsoleOptions, entries: Sequence[HelpEntry]) -> tuple[ColumnSpec, ...]:
    width = int(console.width * NAMES_SHARE)
    render = NameRenderer(max_width=width)
    names = ColumnSpec(
        renderer=lambda entry: render(_without_idle_names(entry)), style="cyclopts.name", max_width=width
    )
    described = ColumnSpec(renderer=_described, overflow="fold")
    return (AsteriskColumn, names, described) if any(entry.required for entry in entries) else (names, described)


def _without_idle_names(entry: HelpEntry) -> HelpEntry:
    """Drops `--empty-x`, `--no-x` where it does not turn off what is on, and the name of a positional argument."""
    if entry.positional_label:
        several = "..." if (entry.metavar or "").endswith("...") else ""
        return entry.copy(positional_label=entry.positional_label + several, positive_names=(), negative_names=())
    turns_off = entry.default == "True" or entry.type == bool | None
    return entry if turns_off else entry.copy(negative_names=())


def _described(entry: HelpEntry) -> RenderableType:
    """The text of an option with its default, then its choices, one a line."""
    paragraph, *choices = re.split(r"\n\s*- ", _plain(entry.description))
    text = Text(" ".join(paragraph.split()))
    for note in _notes(entry, listed=bool(choices)):
        text.append(f" [{note}]", "cyclopts.default")
    return Group(text, *map(_choice, choices)) if choices else text


def _notes(entry: HelpEntry, listed: bool) -> list[str]:
    notes = [f"one of: {', '.join(entry.choices)}"] if entry.choices and not listed else []
    if entry.default not in IDLE:
        notes.append(f"default: {_in_words(str(entry.default))}")
    return notes


def _in_words(default: str) -> str:
    """A default without Python's brackets and quotes."""
    return "on" if default == "True" else re.sub(r"^\(|,?\)$|'", "", default) if default[0] == "(" else default


def _choice(text: str) -> RenderableType:
    """One choice of a list; what does not fit on its line is indented."""
    name, colon, rest = " ".join(text.split()).partition(":")
    return Padding(Text.assemble((name, "cyclopts.name"), colon, rest), (0, 0, 0, 2))


def _wrapped(paragraph: str, width: int) -> list[str]:
    text = " ".join(paragraph.split())
    if not COMMAND.match(text):
        return textwrap.wrap(text, width)
    whole = re.sub(r'"[^"]*"', lambda quoted: quoted[0].replace(" ", "\0"), text)  # an argument stays on its line
    lines = textwrap.wrap(whole, width - 2, subsequent_indent="    ", break_on_hyphens=False)
    return [line.replace("\0", " ") for line in [*(f"{line} \\" for line in lines[:-1]), *lines[-1:]]]


def _plain(described: object) -> str:
    """The text that cyclopts made ready to be printed, without the backticks of code."""
    shown = described.primary_renderable if isinstance(described, InlineText) else described
    return (shown.plain if isinstance(shown, Text) else "").replace("`", "")
