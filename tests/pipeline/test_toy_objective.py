"""A new objective is one file and one record: everything that reads objectives then knows it, without another edit."""

import json

import pytest

from tests.fresh import run_fresh

pytestmark = pytest.mark.xdist_group("toy_objective")
TOY = "safe_likelihood"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each part says of the toy, in a process where its record was there from the start."""
    return json.loads(run_fresh("tests.pipeline.toy_objective_told", tmp_path_factory.mktemp("toy")).splitlines()[-1])


def test_the_help_of_score_lists_it(told):
    assert f"{TOY}: likelihood of the responses that the judge finds safe" in told["help"]


def test_a_config_may_name_it_and_an_unknown_name_is_told_of_it(told):
    assert told["config"] == TOY
    assert TOY in told["no choice"]


def test_what_its_record_does_not_have_is_refused(told):
    assert f"objective {TOY} has no relaxation, but got gumbel" in told["no relaxation"]
    assert TOY in told["no judge"]


def test_a_plan_counts_what_it_needs(told):
    work, gradient, sampled = (told["work"][name] for name in (TOY, "judge_gradient", "policy_gradient"))
    assert 0 < work < gradient  # it differentiates no judge
    assert work < sampled  # and takes one response a prompt


def test_a_bakeoff_enters_and_scores_it(told):
    assert "esi, safe likelihood, top" in told["contestants"]
    assert told["made by"]["objective"] == TOY
    assert told["made by"]["judge"]["name"] == "testbed:guard"
    assert told["largest"] > 0


def test_the_page_has_its_words(told):
    assert "how much the likelihood of safe answers of its own would move" in told["page"]
