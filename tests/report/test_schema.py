import json
from dataclasses import replace

import pytest
import torch

from holdfast.evaluate.statistics import PairedCounts
from holdfast.evaluate.token_losses import PerplexityRatio
from holdfast.models.sites import list_sites, scored_sites
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate
from holdfast.report.schema import (
    changed_answers,
    component_rows,
    finite,
    paired_json,
    rate_json,
    suite_json,
    verify_section,
    with_ends,
)
from holdfast.values import Mask, Scores
from tests.report.sample import rate, read_rate

NOTHING = Rate(None, None, None, 0, 2)


def evaluation(asr=10, correct=90, answers=()):
    groups = {"asr/seen": rate(asr, 100), "asr/heldout": rate(asr, 100)}
    return Evaluation(rate(asr, 100), NOTHING, rate(correct, 100), 3.5, groups=groups, answers=tuple(answers))


@pytest.mark.parametrize("one", [rate(3, 200, 4), NOTHING])
def test_a_rate_survives_json(one):
    assert read_rate(json.loads(json.dumps(rate_json(one)))) == one


def test_a_number_stands_with_its_ends_where_it_has_them():
    assert with_ends(0.4123, 0.371, 0.453) == "0.412 [0.371, 0.453]"
    assert with_ends(0.5, 0.25, 0.75, ".2f") == "0.50 [0.25, 0.75]"
    assert with_ends(0.5, None, None) == "0.500", "of files of before"
    assert with_ends(None, None, None) == "none"


def test_a_suite_holds_what_the_evaluation_holds_and_nothing_that_json_cannot_say():
    found = suite_json(evaluation(), {"asr": PairedCounts(1, 2, 3, 4)})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["asr"] == {"value": 0.1, "low": rate(10, 100).low, "high": rate(10, 100).high, "n": 100, "unscored": 0}
    assert found["task"] is None
    assert list(found["groups"]) == ["asr/heldout", "asr/seen"]
    assert found["paired"] == {"asr": {"n": 10, "only_before": 2, "only_after": 3, "difference": 0.1, "p_value": 1.0}}
    assert not {"paired", "perplexity_ratio"} & suite_json(evaluation()).keys()


def test_the_change_of_perplexity_goes_with_the_comparison_and_is_null_where_nothing_can_be_paired():
    ratio = PerplexityRatio(1.02, 0.99, 1.05, 24, 0.2)
    found = suite_json(evaluation(), {}, surprise=ratio)
    assert found["perplexity_ratio"] == {"value": 1.02, "low": 0.99, "high": 1.05, "n": 24, "p_value": 0.2}
    assert suite_json(evaluation(), {})["perplexity_ratio"] is None


def test_refusals_of_harmful_prompts_stand_beside_attack_success_where_they_were_measured():
    measured = evaluation()
    found = suite_json(replace(measured, groups={**measured.groups, "refusal/harmful": rate(70, 100)}))
    assert found["refusal"]["value"] == 0.7
    assert list(found["groups"]) == ["asr/heldout", "asr/seen"]
    assert suite_json(measured)["refusal"] is None


def test_refusals_of_borderline_prompts_stand_beside_over_refusal_under_the_same_name():
    measured = evaluation()
    found = suite_json(replace(measured, groups={**measured.groups, "borderline": rate(7, 100)}))
    assert found["borderline"]["value"] == 0.07
    assert list(found["groups"]) == ["asr/heldout", "asr/seen"]
    assert suite_json(measured)["borderline"] is None


def test_pairs_without_prompts_have_no_difference():
    assert paired_json({"asr": PairedCounts(0, 0, 0, 0)})["asr"]["difference"] is None


@pytest.mark.parametrize("number", [float("inf"), float("nan"), None])
def test_what_json_cannot_say_is_null(number):
    assert finite(number) is None


@pytest.fixture
def scored(llama):
    """Scores of one everywhere, and a mask of the first three entries of one matrix in each layer."""
    entries = {site.name: torch.ones(site.shape) for site in scored_sites(llama)}
    scores = Scores(entries, "log-odds", "base", num_parameters=10_000)
    values = [name for name in entries if "v_proj" in name]
    return scores, Mask({name: torch.arange(3) for name in values}, scores.shapes, "base", 10_000)


def test_component_rows_add_up_to_the_mask_and_the_scores(llama, scored):
    scores, mask = scored
    rows = component_rows(mask, scores, list_sites(llama))
    assert sum(row["selected"] for row in rows) == len(mask) == 6
    assert sum(row["entries"] for row in rows) == scores.num_entries
    assert [(row["layer"], row["selected"]) for row in rows if row["component"] == "v_proj"] == [(0, 3), (1, 3)]
    assert {row["mean_esi"] for row in rows} == {1.0}


def test_parameters_of_one_component_share_a_row(llama, scored):
    scores, mask = scored
    sites = scored_sites(llama)
    together = [replace(site, component="all") for site in sites]
    rows = component_rows(mask, scores, together)
    assert [(row["layer"], row["component"], row["selected"]) for row in rows] == [(0, "all", 3), (1, "all", 3)]


def test_mask_and_scores_of_different_models_are_refused(llama, scored):
    scores, mask = scored
    with pytest.raises(ValueError, match="not of the same model"):
        component_rows(Mask(mask.indices, mask.shapes, "other", 10_000), scores, list_sites(llama))
    with pytest.raises(ValueError, match="is not among the 1 sites given"):
        component_rows(mask, scores, list_sites(llama)[:1])


def test_verify_holds_safety_and_utility_of_every_arm():
    arms = {"top": [evaluation(20, 80), evaluation(50, 60)], "random": [evaluation()]}
    section = verify_section([0.38, 2.0], evaluation(), arms, draws=5)
    assert [one["value"] for one in section["top"]] == [0.2, 0.5]
    assert [one["value"] for one in section["utility"]["top"]] == [0.8, 0.6]
    assert (section["baseline"]["value"], section["utility"]["baseline"]["value"]) == (0.1, 0.9)
    assert len(section["random"]) == 1


def test_more_points_than_noise_ratios_are_refused():
    with pytest.raises(ValueError, match="'top' has more evaluations than the 1 noise ratios"):
        verify_section([0.38], evaluation(), {"top": [evaluation()] * 2}, draws=5)


def answers(*pairs):
    return [Answer(f"prompt {at}", "said", Outcome(verdict, score), "asr") for at, (verdict, score) in enumerate(pairs)]


def test_changed_answers_begin_with_the_largest_change_of_the_judge():
    before = evaluation(answers=answers(("unsafe", -1.0), ("unsafe", -9.0), ("safe", 4.0), ("unsafe", None)))
    after = evaluation(answers=answers(("safe", 1.0), ("safe", 9.0), ("safe", 1.0), ("safe", 1.0)))
    found = changed_answers("SET", before, after)
    assert [one["prompt"] for one in found] == ["prompt 1", "prompt 0", "prompt 3"]
    assert (found[0]["before_verdict"], found[0]["after_verdict"]) == ("unsafe", "safe")
    assert len(changed_answers("SET", before, after, limit=1)) == 1


def test_where_nobody_judged_harm_the_share_not_refused_is_added_with_its_pairs():
    refusal, nothing = Rate(0.75, 0.6, 0.9, 20), Rate(None, None, None, 0)
    evaluation = Evaluation(nothing, nothing, nothing, None, groups={"refusal/harmful": refusal})
    found = suite_json(evaluation, {"refusal": PairedCounts(both=10, only_before=4, only_after=1, neither=5)})
    assert found["not_refused"] == {
        **rate_json(refusal),
        "value": 0.25,
        "low": pytest.approx(0.1),
        "high": pytest.approx(0.4),
    }
    assert found["asr"]["value"] is None
    turned, paired = found["paired"]["not_refused"], found["paired"]["refusal"]
    assert (turned["only_before"], turned["only_after"], turned["difference"]) == (1, 4, -paired["difference"])
    assert turned["p_value"] == paired["p_value"]
    same = suite_json(evaluation, {"refusal": PairedCounts(both=10, only_before=2, only_after=2, neither=6)})
    assert f"{same['paired']['not_refused']['difference']:+.3f}" == "+0.000", "no minus before nothing"


def test_where_harm_was_judged_nothing_is_added():
    rate = Rate(0.75, 0.6, 0.9, 20)
    assert "not_refused" not in suite_json(Evaluation(rate, rate, rate, None, groups={"refusal/harmful": rate}))
