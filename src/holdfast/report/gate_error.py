"""Renders the reports of a comparison that ended with an error, so that a job shows why it has no decision."""

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from holdfast.printable import printable
from holdfast.report.markdown import sentence_or_code

NO_DECISION = "no decision, because the comparison ended with an error"
"""Words by which such a report is known. A later comparison may replace it."""
LONGEST = 100_000
"""Size in bytes of the largest file that is read for these words."""


def render_junit_error(sentence: str) -> str:
    """Renders JUnit XML with one test case, which is an error."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "holdfast compare", "timestamp": now, **counts})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {"verdict": NO_DECISION, "exit code": "2"}.items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    case = ElementTree.SubElement(suite, "testcase", {"classname": "holdfast.compare", "name": "a decision is reached"})
    ElementTree.SubElement(case, "error", {"message": printable(sentence)})
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def render_markdown_error(sentence: str) -> str:
    """Renders the error as Markdown: a heading with the exit code, and the sentence."""
    return f"## holdfast compare: {NO_DECISION} (exit code 2)\n\n{sentence_or_code(sentence)}\n"


def tells_an_error(path: Path) -> bool:
    """True for a file that one of these reports was written to. It holds no decision, so nothing is lost with it."""
    if not path.is_file() or path.stat().st_size > LONGEST:
        return False
    return NO_DECISION.encode() in path.read_bytes()
