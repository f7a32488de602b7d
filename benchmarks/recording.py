"""Records the README's quick start as a picture of a terminal.

Runs the commands of the section "Quick start" in FOLDER, one after the other, and draws what each prints.
FOLDER has the reader's files: refusals.jsonl, task.jsonl, harmful.txt and harmless.txt. Nothing is drawn that was not
printed; what is cut of long output is counted in the picture.

    python benchmarks/recording.py FOLDER --model MODEL --out docs/images/quick-start.svg
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

README = Path(__file__).parents[1] / "README.md"
HEADING = "## Quick start"
COMMAND = re.compile(r"^holdfast (?:.*\\\n)*.*$", re.MULTILINE)
WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
WIDTH = 112
"""Columns of the terminal: the widest table of the quick start fits."""
SHOWN = 8
"""Lines of a command's output that are drawn: a title, a head and the first rows of a table."""


def quick_start(readme: str) -> list[str]:
    """Lists the commands of the quick start as they stand, over several lines where they do."""
    section = readme.partition(HEADING)[2].partition("\n## ")[0]
    return COMMAND.findall(section)


def run(command: str, model: str, folder: Path) -> str:
    """Runs one command as in a terminal; returns what it printed, colours included."""
    arguments = shlex.split(command.replace("\\\n", " ").replace("$MODEL", model))[1:]
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", *arguments],
        cwd=folder,
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1, 3):  # a gate that failed or cannot decide is a result
        raise SystemExit(f"{command} ended with exit code {done.returncode}:\n{done.stderr}")
    return done.stdout


def shorten(printed: str) -> list[str]:
    """Keeps the first lines of an output, and its last where that has words, and counts those that are left out."""
    lines = printed.rstrip("\n").split("\n")
    last = lines[-1:] if re.search(r"\w", Text.from_ansi(lines[-1]).plain) else []
    left_out = len(lines) - SHOWN - len(last)
    return lines if left_out < 2 else [*lines[:SHOWN], f"\x1b[2m... {left_out} more lines\x1b[0m", *last]


def draw(session: Sequence[tuple[str, str]], title: str) -> str:
    """Draws commands and what they printed as an SVG that loads nothing from elsewhere."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        for command, printed in session:
            console.print(Text(f"$ {command}", style="bold green"))
            for line in shorten(printed):
                console.print(Text.from_ansi(line), no_wrap=True, crop=True)
            console.print()
        svg = console.export_svg(title=title, theme=SVG_EXPORT_THEME)
    return WEB_FONT.sub("", svg).replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the quick start and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the reader's files; results are written there too")
    parser.add_argument("--model", required=True, help="folder as seen from FOLDER, hub id or testbed:NAME")
    parser.add_argument("--out", type=Path, required=True, help="file for the SVG")
    chosen = parser.parse_args(arguments)
    commands = quick_start(README.read_text(encoding="utf-8"))
    session = [(one.replace('"$MODEL"', chosen.model), run(one, chosen.model, chosen.folder)) for one in commands]
    chosen.out.write_text(draw(session, f"holdfast on {Path(chosen.model).name}"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
