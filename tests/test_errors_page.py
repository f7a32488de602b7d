"""What docs/errors.md quotes is what the code says, and every entry has its cause and its mend."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    line.strip("| ").split(" | ")
    for line in (ROOT / "docs" / "errors.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| it says")
]


def spoken(node: ast.AST) -> str:
    """A string of the source; what is put into it while it runs parts it as a line break does."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else "\n" for one in parts)


@pytest.fixture(scope="module")
def said() -> str:
    """Every string of the source, one a line; those that stand side by side are one."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr)]
    return "\n".join(map(spoken, nodes))


def quotes(cell: str) -> list[str]:
    """The fixed parts of the sentences that an entry quotes."""
    return [
        part.strip(" :")
        for part in cell.replace(" (exit 1)", "").replace(" (exit 3)", "").replace(";", "...").split("...")
        if part.strip(" :")
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_an_entry_quotes_what_the_code_says_and_has_a_cause_and_a_mend(row, said):
    assert len(row) == 3
    assert all(cell.strip() for cell in row)
    fixed = quotes(row[0])
    assert max(len(part.split()) for part in fixed) >= 2, "too little is quoted to be told from other sentences"
    assert [part for part in fixed if part not in said] == []


def test_a_sentence_that_nobody_says_is_found_out(said):
    assert [part for part in quotes("model ... is not a duck; could not be fetched") if part not in said] == [
        "is not a duck"
    ]
