"""Tests mirror the source: a test file lies where its module does, below tests instead of src/holdfast."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
SCRIPTS = "benchmarks"
"""Folder whose scripts tests mirror, too."""
REPRODUCTIONS = "reproductions"
"""Folder whose folders have a test file each."""
OF_THE_REPOSITORY = {
    "benchmarks/test_make_real", "benchmarks/test_pages",
    "test_api_reference", "test_benchmarks", "test_docs", "test_errors_page", "test_examples", "test_gate_example",
    "test_mirror", "test_mutants", "test_quoted", "test_real_example", "test_trainers",
}  # fmt: skip
"""Pages, examples and tests themselves."""
OF_SEVERAL_MODULES = {
    "test_docstring_examples",
    "test_arrow", "test_misuse", "test_python_api", "commands/test_hashed_once", "commands/test_imports",
    "commands/test_numeric_options",
    "commands/test_refused_before_loading", "evaluate/logs/test_made_by_programs", "models/test_architectures",
    "models/test_families", "objective/test_bias", "directions/test_planted_languages",
    "pipeline/test_broken_run", "pipeline/test_load_judge", "pipeline/test_no_judge", "pipeline/test_refusal_judges",
    "pipeline/test_several_processes", "pipeline/test_toy_objective", "report/test_browser", "report/test_coherence",
    "report/test_response_length", "score/test_real_checkpoint", "score/test_same_scores", "select/test_large",
    "select/test_selectors", "testbed/test_models",
}  # fmt: skip
"""What a whole folder promises, or one thing that goes through several modules."""


def misplaced(tests: list[str], modules: set[str]) -> list[str]:
    """Test files, named without their endings, that mirror no module."""
    found = {test: test.replace("test_", "", 1) for test in tests}
    return [test for test, module in found.items() if module not in modules]


def names_below(folder: Path, pattern: str) -> list[str]:
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob(pattern))


def test_every_test_file_lies_where_its_module_does():
    modules = set(names_below(ROOT / "src/holdfast", "*.py"))
    modules |= {f"{SCRIPTS}/{name}" for name in names_below(ROOT / SCRIPTS, "*.py")}
    modules |= {f"{REPRODUCTIONS}/{folder.name}" for folder in (ROOT / REPRODUCTIONS).iterdir()}
    assert set(misplaced(names_below(TESTS, "test_*.py"), modules)) == OF_THE_REPOSITORY | OF_SEVERAL_MODULES


@pytest.mark.parametrize(("test", "is_there"), [("select/test_top", True), ("score/test_top", False)])
def test_a_test_in_another_folder_is_found(test, is_there):
    assert (misplaced([test], {"select/top", "latest_score"}) == []) == is_there
