"""The table of single faults is about the source as it is; `make mutants` runs it."""

import pytest

from tests.mutants import MUTANTS, PAGE, ROOT, page


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_line_of_every_mutant_stands_in_its_file_once(mutant):
    assert (ROOT / "src/holdfast" / mutant.file).read_text().count(mutant.line) == 1
    assert mutant.broken != mutant.line


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_test_of_every_mutant_is_there(mutant):
    assert (ROOT / "tests" / mutant.test).exists()


def test_the_page_lists_them_all():
    assert PAGE.read_text() == page()
