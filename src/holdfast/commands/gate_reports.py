"""Files for the reports of `holdfast compare`: checked before anything is read, written at the end."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from holdfast.commands.console import warn
from holdfast.json_files import partial_of, save_text
from holdfast.pipeline.outputs import refuse_existing
from holdfast.report.comparison import Comparison
from holdfast.report.gate import render_junit
from holdfast.report.gate_error import render_junit_error, render_markdown_error, tells_an_error
from holdfast.report.gate_markdown import render_markdown
from holdfast.report.gate_page import render_gate_page
from holdfast.report.records import Judges


class Reports(NamedTuple):
    """Files for the reports of a comparison. None where a report is not asked for."""

    junit: Path | None
    markdown: Path | None
    html: Path | None

    def refuse(self) -> None:
        """Raises ValueError for a file that exists or cannot be written, one given twice, or a page without .html."""
        if self.html and self.html.suffix != ".html":
            raise ValueError(f"--html {str(self.html)!r} names no page; end it with .html.")
        given = [path for path in self if path]
        for place, out in enumerate(given):
            if out.absolute() in [path.absolute() for path in given[:place]]:
                raise ValueError(f"{str(out)!r} is given for two reports; give each report a file of its own.")
            if not tells_an_error(out):
                refuse_existing(out)
            _probe(out)

    @contextmanager
    def of_error(self) -> Iterator[None]:
        """Writes JUnit XML and Markdown that say why there is no decision, if an error is raised within."""
        try:
            yield
        except Exception as error:
            sentence = " ".join(str(error).split()) or type(error).__name__
            rendered = ((self.junit, render_junit_error), (self.markdown, render_markdown_error))
            for problem in _save((path, render(sentence)) for path, render in rendered if path):
                warn(problem, always=True)
            raise

    def save(self, result: Comparison, responses: int, section: str = "", judges: Judges | None = None) -> list[str]:
        """Writes the files, and returns a sentence about each that could not be written.

        Args:
            result: the comparison.
            responses: number of changed prompts that Markdown and page list with both responses.
            section: Markdown about the cards of the judges.
            judges: cards of the judges for the page.
        """
        return _save(self._rendered(result, responses, section, judges))

    def _rendered(
        self, result: Comparison, responses: int, section: str, judges: Judges | None
    ) -> Iterator[tuple[Path, str]]:
        if self.junit:
            yield self.junit, render_junit(result)
        if self.markdown:
            yield self.markdown, "\n".join(filter(None, (render_markdown(result, responses), section)))
        if self.html:
            yield self.html, render_gate_page(result, responses, judges)


def _save(rendered: Iterable[tuple[Path, str]]) -> list[str]:
    """Writes reports, and returns a sentence about each that could not be written."""
    problems = []
    for path, text in rendered:
        try:
            save_text(path, text)
        except OSError as error:
            problems.append(_unwritten(path, error))
    return problems


def _probe(out: Path) -> None:
    """Raises ValueError where no file can be made at a path. It tries, as permissions alone do not tell."""
    folder = next(parent for parent in out.absolute().parents if parent.exists())
    try:
        if folder == out.absolute().parent:
            _make_and_remove(partial_of(out))
        else:
            tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(_unwritten(out, error)) from error


def _make_and_remove(partial: Path) -> None:
    """Makes the file through which a report is written, and removes it. One of a stopped command stays."""
    if partial.is_file():
        return
    partial.open("x").close()
    partial.unlink()


def _unwritten(path: Path, error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"the report {str(path)!r} cannot be written: {reason}; choose another path, or free its place."
