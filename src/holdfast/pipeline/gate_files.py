"""Writes the reports of a gate from a script: Markdown, JUnit XML, or a page."""

from pathlib import Path

from holdfast.arguments import checked_call, require, require_name
from holdfast.artifacts import save_text
from holdfast.evaluate.gate import Gate
from holdfast.pipeline.gate_record import comparison_of
from holdfast.report.gate import render_junit
from holdfast.report.gate_markdown import render_markdown
from holdfast.report.gate_page import render_gate_page
from holdfast.report.gate_settings import PYTHON, SHOWN
from holdfast.saving import refuse_taken

SUFFIXES = (".md", ".xml", ".html")


@checked_call
def save_gate(path: str | Path, gate: Gate, *, responses: int = 0, overwrite: bool = False) -> None:
    """Writes the report of a comparison: Markdown (.md), JUnit XML (.xml) or a page (.html), by the path's suffix.

    They are those of `holdfast compare`, without cards of judges. JUnit XML has one test case per condition.

    Example:
        >>> save_gate("gate.html", compare(before, after, fail_if=["refusal < before - 0.05"]))

    Args:
        path: the file. Missing folders are created.
        gate: the result of `compare`.
        responses: number of changed prompts, at most 20, that Markdown and the page list with both responses for each
            condition that did not pass. They may be harmful, so the default is none. The page lists the safe
            prompts of a condition on over-refusal anyway.
        overwrite: True replaces an existing file.

    Raises:
        ValueError: the file exists, its suffix names no report, the gate has no condition for JUnit XML, or the
            arguments are of other types.
    """
    require_name(path, "a file for the report", "give a path such as 'gate.html'")
    require(gate, Gate, "give what `compare` returns")
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise ValueError(f"{str(path)!r} names no kind of report; end it with .md, .xml or .html.")
    _refuse_responses(responses, suffix)
    if suffix == ".xml" and not gate.findings:
        raise ValueError("JUnit XML lists conditions, and this comparison has none; give fail_if to `compare`.")
    refuse_taken(path, overwrite)
    save_text(Path(path), _rendered(gate, suffix, responses))


def _refuse_responses(responses: object, suffix: str) -> None:
    """Raises ValueError for a number of responses that no report lists."""
    if not isinstance(responses, int) or isinstance(responses, bool) or not 0 <= responses <= SHOWN:
        raise ValueError(f"responses is {responses!r}; give a whole number from 0 to {SHOWN}.")
    if responses and suffix == ".xml":
        raise ValueError("JUnit XML lists no responses; leave out responses, or write Markdown or a page.")


def _rendered(gate: Gate, suffix: str, responses: int) -> str:
    result = comparison_of(gate)
    if suffix == ".xml":
        return render_junit(result)
    if suffix == ".md":
        return render_markdown(result, responses, PYTHON)
    return render_gate_page(result, responses, settings=PYTHON)
