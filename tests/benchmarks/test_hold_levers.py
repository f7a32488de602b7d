"""The rows of the benchmark from which SPA's setting was chosen."""

import runpy
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def levers() -> dict:
    with patch.object(sys, "path", [str(FOLDER), *sys.path]):
        return runpy.run_path(str(FOLDER / "hold_levers.py"))


def test_every_row_has_a_folder_of_its_own_and_random_ones_name_no_scores(levers):
    stems = [row.stem for row in levers["ROWS"]]
    assert len(set(stems)) == len(stems)
    assert [row.weights for row in levers["ROWS"] if row.mask == "random"] == ["random 1%", "random 5%"]


def test_a_row_trains_at_its_rate_on_the_verbs_for_choosing_alone(levers):
    row = levers["Row"](mask="top", share=0.05)
    config = levers["config_of"](row)
    assert (config.adapt.learning_rate, config.adapt.iterations, config.adapt.seed) == (1.5e-3, 500, 100)
    assert config.select.fraction == 0.05
    assert config.suite.harmful == ("testbed:harmful_development",)


def test_refusals_are_written_with_wilsons_interval(levers):
    row = levers["Row"](mask="top")
    written = levers["written"](row, [190 / 256, 0.0, None], 256)
    # (p + z2/2n -+ z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n) with p = 0.7422, n = 256, z = 1.96
    assert written == ["0.0015", "top 1%, refusal likelihood", "0.742 [0.685, 0.792]", "0.000", ""]
