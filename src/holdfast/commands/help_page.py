"""Lays out `--help`: options in groups, one line per choice, defaults in words.

A page shows a docstring as it is written, and wraps its paragraphs and lists (lines that begin with `- `) to the
terminal. Only `--help-all` shows the options of rare groups.
"""

import re
import textwrap
from collections.abc import Sequence
from typing import TypedDict, Unpack

from cyclopts import App
from cyclopts.help import HelpEntry, HelpPanel, InlineText
from cyclopts.help.formatters import DefaultFormatter
from cyclopts.help.specs import AsteriskColumn, ColumnSpec, NameRenderer
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from holdfast.option_groups import NEEDED, RARE_NAMES

WHOLE = "--help-all"
"""The flag that shows every option of a command. --help shows only those that most people need."""
HELP_FLAGS = ("--help", "-h", WHOLE)
COMMAND = re.compile(r"[\w ]+: holdfast ")
"""Matches the start of a paragraph that is an example."""
NAMES_SHARE = 0.36
"""Largest share of the width that the names of options take."""
EXIT_CODES = "Exit codes: 0: done. 2: an error, explained in one sentence. 130 or 143: stopped."
"""Exit codes of a command whose docstring lists none."""
IDLE = (None, "False", "()")
"""Defaults that the help leaves out, because they only mean that the option is off or empty."""


class _Settings(TypedDict, total=False):
    version: str
    suppress_keyboard_interrupt: bool


def new_app(name: str, help: str, **settings: Unpack[_Settings]) -> App:
    """Makes a command that holds other commands, with the layout of help that all commands share."""
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
    """Lays out the help of a command. With `whole` it shows every option."""

    def __init__(self, whole: bool = False) -> None:
        super().__init__(column_specs=_columns)
        self.whole = whole

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Prints one group of options or commands."""
        if self.whole or str(panel.title) not in RARE_NAMES:
            super().__call__(console, options, panel)

    def render_description(self, console: Console, options: ConsoleOptions, description: object) -> None:
        """Prints what the command does, its exit codes, and an example that can be copied even if it wraps."""
        paragraphs = re.split(r"\n\s*\n", _plain(description))
        has_exit_codes = any(paragraph.lstrip().startswith("Exit codes:") for paragraph in paragraphs)
        for paragraph in [*filter(None, map(str.strip, paragraphs)), *([] if has_exit_codes else [EXIT_CODES])]:
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
    """Drops needless names: `--empty-x`, `--no-x` of what is off by default, and `--x` of a positional argument."""
    if entry.positional_label:
        several = "..." if (entry.metavar or "").endswith("...") else ""
        return entry.copy(positional_label=entry.positional_label + several, positive_names=(), negative_names=())
    turns_off = entry.default == "True" or entry.type == bool | None
    return entry if turns_off else entry.copy(negative_names=())


def _described(entry: HelpEntry) -> RenderableType:
    """Lays out the text of an option with its default, then its choices, one per line."""
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
    """Writes a default without Python's brackets and quotes."""
    return "on" if default == "True" else re.sub(r"^\(|,?\)$|'", "", default) if default[0] == "(" else default


def _choice(text: str) -> RenderableType:
    """Lays out one choice of a list. Further lines of it are indented."""
    name, colon, meaning = " ".join(text.split()).partition(":")
    return Padding(Text.assemble((name, "cyclopts.name"), colon, meaning), (0, 0, 0, 2))


def _wrapped(paragraph: str, width: int) -> list[str]:
    text = " ".join(paragraph.split())
    if not COMMAND.match(text):
        return textwrap.wrap(text, width)
    whole = re.sub(r'"[^"]*"', lambda quoted: quoted[0].replace(" ", "\0"), text)  # an argument stays on its line
    lines = textwrap.wrap(whole, width - 2, subsequent_indent="    ", break_on_hyphens=False)
    return [line.replace("\0", " ") for line in [*(f"{line} \\" for line in lines[:-1]), *lines[-1:]]]


def _plain(described: object) -> str:
    """Returns the text of cyclopts' renderable without the backticks of code."""
    shown = described.primary_renderable if isinstance(described, InlineText) else described
    return (shown.plain if isinstance(shown, Text) else "").replace("`", "")
