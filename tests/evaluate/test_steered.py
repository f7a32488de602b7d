from dataclasses import replace

import pytest

from holdfast.evaluate.statistics import NOT_MEASURED, counted_rate
from holdfast.evaluate.steered import steering_words, warning_of_breaking, warnings_of_steering
from holdfast.outcomes import Evaluation

EVALUATION = Evaluation(NOT_MEASURED, NOT_MEASURED, NOT_MEASURED, None)

STEERING = {"coefficient": 0.3, "file": "d.safetensors", "rule": "add", "where": "all", "renorm": True}
WORDS = "0.3 along d.safetensors, rule add, where all, renormed"


def steered(coherent: int = 20, **changed):
    groups = {"coherence/all": counted_rate(coherent, 20)}
    return replace(EVALUATION, made_by={"steering": STEERING | changed}, groups=groups)


def test_steering_is_described_and_its_absence_is_none():
    assert steering_words(steered().made_by) == WORDS
    assert steering_words({"steering": {"coefficient": -1.0, "along": "random direction 2"}}) == (
        "-1.0 along random direction 2"
    )
    assert steering_words({}) is None


def test_a_comparison_is_warned_of_where_one_side_alone_is_steered_or_otherwise():
    plain = replace(EVALUATION, made_by={})
    assert warnings_of_steering(plain, plain) == []
    assert warnings_of_steering(steered(), steered()) == []
    assert warnings_of_steering(plain, steered()) == [
        f"the evaluation after is of a model steered by {WORDS}, so the difference is not of the weights alone."
    ]
    (both,) = warnings_of_steering(steered(), steered(coefficient=0.5))
    assert "the evaluation before is of a model steered by 0.3" in both
    assert "the evaluation after is of a model steered by 0.5" in both


@pytest.mark.parametrize(("coherent", "breaks"), [(20, False), (18, False), (17, True), (0, True)])
def test_a_coefficient_that_makes_more_than_a_tenth_incoherent_is_told(coherent, breaks):
    sentence = warning_of_breaking(steered(coherent))
    assert (sentence is not None) == breaks
    if sentence:
        assert f"{(20 - coherent) / 20:.2f} of 20 responses are incoherent under steering by {WORDS}" in sentence
    assert warning_of_breaking(replace(steered(coherent), made_by={})) is None
