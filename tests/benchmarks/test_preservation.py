"""The comparison of methods that keep safety: which rows train, and how they are compared."""

import runpy
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def preservation() -> dict:
    with patch.object(sys, "path", [str(FOLDER), *sys.path]):
        return runpy.run_path(str(FOLDER / "preservation.py"))


def test_every_method_of_the_table_has_a_row_with_a_folder_of_its_own(preservation, tmp_path):
    folders = {preservation["folder_of"](row, 1, tmp_path) for row in preservation["ROWS"]}
    assert len(folders) == len(preservation["ROWS"])


def test_every_row_of_every_seed_has_a_file_of_its_own(preservation):
    rows, seeds = ("start", *preservation["ROWS"]), preservation["SEEDS"]
    assert len({preservation["result_of"](row, seed) for row in rows for seed in seeds}) == len(rows) * len(seeds)


def test_rows_are_compared_in_the_seeds_that_both_have(preservation):
    before = {seed: {"coherent refusals": share} for seed, share in enumerate([0.5, 0.25, 0.0])}
    after = {seed: {"coherent refusals": share} for seed, share in {1: 0.75, 2: 0.25, 3: 1.0}.items()}
    assert preservation["gains"](before, after) == [0.5, 0.25]
    # the mean is 0.375, the standard error 0.125, and t of one degree of freedom 12.706
    assert preservation["difference"](before, after) == ["0.375 [-1.213, 1.963]", "2 of 2"]
    assert preservation["difference"](before, {}) == ["not measured", ""]
