import pytest

from holdfast.evaluate.cut_off import cut_off
from holdfast.evaluate.cut_off_warning import warning_of_cut_off
from holdfast.models.response_log import Response
from holdfast.outcomes import Rate
from tests.evaluate.constructed import answers, evaluation, first


def said(finished, broken=False):
    return Response("hello", [], [], "" if broken else "sure", finished, broken=broken)


def test_what_the_model_did_not_end_itself_was_cut_off():
    found = cut_off([said(True), said(False), said(True), said(True)], 1)
    assert (found.value, found.n, found.unscored) == (0.25, 4, 0)


def test_a_response_of_broken_logits_has_no_length_of_its_own():
    found = cut_off([said(True), said(False, broken=True)], 1)
    assert (found.value, found.n, found.unscored) == (0.0, 1, 1)


def test_of_several_samples_the_interval_knows_the_prompts():
    one_prompt_is_long = [said(place >= 10) for place in range(100)]
    alone, together = cut_off(one_prompt_is_long, 1), cut_off(one_prompt_is_long, 10)
    assert alone.value == together.value == pytest.approx(0.1)
    # All ten of one prompt: ten prompts say less than a hundred would.
    assert None not in (alone.high, together.high)
    assert together.high > alone.high + 0.1


def test_a_cut_off_names_refusal_rates_only_where_some_were_measured():
    cut = {"cut_off/all": Rate(0.5, 0.2, 0.8, 8)}
    generation = {"generation": {"max_new_tokens": 16}}
    questions = evaluation(answers("utility", first(4, 8)), made_by=generation, **cut)
    harmless = evaluation(answers("over_refusal", first(4, 8)), made_by=generation, **cut)
    assert "so the rates may be wrong" in str(warning_of_cut_off(questions))
    assert "Rates of refusals may be wrong below 64 tokens" in str(warning_of_cut_off(harmless))
