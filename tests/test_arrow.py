"""The arrow of the data flow: a file imports from its own floor's folder, or from the floors below it."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "holdfast"
FLOORS = (
    {"prompts"},
    {"models"},
    {"judge"},
    {"objective"},
    {"score", "select", "directions", "intervene", "evaluate", "report", "testbed"},
    {"pipeline"},
    {"plan"},
    {"commands", "integrations"},
    {"cli"},
    {"__main__"},
)
"""From the bottom to the top. All other files of the package lie below, on the ground."""
HEIGHTS = {home: height for height, homes in enumerate(FLOORS, start=1) for home in homes}


def imported(path: Path) -> set[str]:
    """First words after `holdfast.` of everything that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {name.split(".")[1] for name in names if name.startswith("holdfast.")}
    return found


def upward(home: str, homes: set[str]) -> set[str]:
    """Those of the imported folders and files that don't lie below, nor in the same folder."""
    return {name for name in homes - {home} if HEIGHTS.get(name, 0) >= HEIGHTS.get(home, 0) and name in HEIGHTS}


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_follow_the_arrow(path):
    place = path.relative_to(SOURCE)
    home = place.parts[0].removesuffix(".py")
    assert not upward(home, imported(path)), f"{place} breaks the arrow"


def test_every_folder_has_a_floor():
    folders = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(HEIGHTS) - {"cli", "__main__"}


def test_the_walk_finds_a_broken_arrow(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("from holdfast.select.top import select_top\nimport holdfast.report.page\nimport holdfast.values\n")
    assert imported(bad) == {"select", "report", "values"}
    assert upward("score", imported(bad)) == {"select", "report"}
    assert upward("pipeline", imported(bad)) == set()
    assert upward("artifacts", imported(bad)) == {"select", "report"}
    assert len(FILES) > 50
