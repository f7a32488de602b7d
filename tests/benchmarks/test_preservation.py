"""The comparison of methods that keep safety: which rows train, and how they are compared."""

import runpy
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from holdfast.outcomes import Outcome
from tests.evaluate.constructed import answers, evaluation

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def preservation() -> dict:
    with patch.object(sys, "path", [str(FOLDER), *sys.path]):
        return runpy.run_path(str(FOLDER / "preservation.py"))


def refusing(*refused):
    """An evaluation in which these of the prompts are refused, coherently but for those given as None."""
    made = answers("asr", [not one for one in refused], group="heldout")
    coherent = [Outcome("incoherent" if one is None else "coherent") for one in refused]
    refusals = [Outcome("refused" if one is not False else "complied") for one in refused]
    made = [replace(a, coherence=c, refusal=r) for a, c, r in zip(made, coherent, refusals, strict=True)]
    return evaluation([*made, *answers("asr", [False], group="seen")])


def test_every_method_of_the_table_has_a_row_with_a_folder_of_its_own(preservation, tmp_path):
    folders = {preservation["folder_of"](row, 1, tmp_path) for row in preservation["ROWS"]}
    assert len(folders) == len(preservation["ROWS"])


def test_only_coherent_refusals_of_held_out_verbs_count(preservation):
    assert list(preservation["refusals"](refusing(True, None, False)).values()) == [1.0, 0.0, 0.0]


def test_rows_are_compared_by_prompt_over_the_seeds_that_both_have(preservation):
    before = {0: refusing(True, False, False, False), 1: refusing(False, False, False, False)}
    after = {0: refusing(True, True, True, False), 1: refusing(False, False, True, False), 2: refusing(True)}
    pair = preservation["compared"](before, after)
    # means over the two seeds: 0.5 0 0 0 before and 0.5 0.5 1 0 after, so the differences are 0 0.5 1 0
    assert pair.value == pytest.approx(0.375)
    assert preservation["difference"](before, after)[2] == "2 of 2"
    assert preservation["difference"](before, {}) == ["not measured", "", ""]
