"""The table of objectives: its names, what it refuses, and that reading it is fast."""

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.objective import registry
from holdfast.objective.material import Material
from holdfast.objective.registry import OBJECTIVES, names, register
from holdfast.pipeline.options import ScoringOptions

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "objectives.md"


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match="objective 'mix' is already registered; choose another name"):
        register(OBJECTIVES["mix"])


def test_an_unknown_name_lists_those_known():
    with pytest.raises(ValueError, match=r"unknown objective 'mixx'; did you mean 'mix'\? known: .*utility"):
        OBJECTIVES["mixx"]


def test_the_table_is_read_without_torch():
    code = "import sys, holdfast.objective.registry; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_order_of_registration_is_that_of_the_help():
    lines = (ScoringOptions.model_fields["objective"].description or "").split("\n- ")[1:]
    assert tuple(line.partition(":")[0] for line in lines) == names()
    assert names()[0] == registry.DEFAULT


@pytest.mark.parametrize("name", names())
def test_an_objective_takes_a_judge_or_given_responses(name):
    record = OBJECTIVES[name]
    assert (record.judge is None) == (record.given is not None)
    assert not (record.given and (record.samples or record.compares_with_greedy))
    assert record.samples or not record.compares_with_greedy


@pytest.mark.parametrize("name", names())
def test_the_method_page_has_a_row_for_each(name):
    assert f"| `{name}`" in PAGE.read_text()


def test_a_record_makes_its_objective_when_it_is_asked(monkeypatch):
    monkeypatch.setattr("holdfast.objective.response_likelihood.make", lambda material: ("made", material))
    material = object.__new__(Material)
    assert OBJECTIVES["utility"].make(material) == ("made", material)
