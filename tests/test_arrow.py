"""The arrow of the data flow: stages import common ground and themselves, never each other."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "holdfast"
STAGES = {"score", "select", "intervene", "evaluate", "report", "testbed"}
COMPOSERS = {"pipeline", "commands", "cli", "__init__", "__main__"}  # the package itself names what users import
TESTBED_PATHS = {"models/locate.py", "prompts/locate.py"}


def imported(path: Path) -> set[str]:
    """First words after `holdfast.` of everything that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {name.split(".")[1] for name in names if name.startswith("holdfast.")}
    return found


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_follow_the_arrow(path):
    place = path.relative_to(SOURCE)
    home = place.parts[0].removesuffix(".py")
    if home in COMPOSERS:
        return
    # Two common files know where the built-in folders are, and nothing more of the testbed.
    allowed = {home} | ({"testbed"} if str(place) in TESTBED_PATHS else set())
    assert not imported(path) & (STAGES | COMPOSERS) - allowed, f"{place} breaks the arrow"


def test_the_walk_finds_a_broken_arrow(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("from holdfast.select.top import select_top\nimport holdfast.report.page\n")
    assert imported(bad) == {"select", "report"}
    assert len(FILES) > 50
