"""Numbers that can't be used, or that would change nothing, are refused in one sentence."""

import math

import pytest

from holdfast.intervene.edit.amounts import require_coefficient, require_coefficients, require_scale, require_strength


@pytest.mark.parametrize("scale", [-1, float("nan"), float("inf"), "2"])
def test_scales_that_are_no_factor_are_refused(scale):
    with pytest.raises(ValueError, match="the scale must be 0 or more, got"):
        require_scale(scale)


def test_a_scale_of_one_changes_nothing():
    with pytest.raises(ValueError, match="a scale of 1 changes nothing; give 0 to erase, or more than 1"):
        require_scale(1)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, "much"])
def test_steering_needs_a_finite_number(number):
    with pytest.raises(ValueError, match="the coefficient must be a finite number, got"):
        require_coefficient(number)


@pytest.mark.parametrize("number", [0, 0.0, -0.0])
def test_a_coefficient_of_0_changes_nothing(number):
    with pytest.raises(ValueError, match="a coefficient of 0 changes nothing; give another"):
        require_coefficients([0.5, number])
    require_coefficients([0.5, -0.5])


@pytest.mark.parametrize("numbers", [(), (0.5, 0.5)])
def test_coefficients_are_one_or_more_and_differ(numbers):
    with pytest.raises(ValueError, match="give one or more different numbers"):
        require_coefficients(numbers)


@pytest.mark.parametrize(
    ("coefficient", "sentence"),
    [
        (0, "must be above 0, got 0; an edit only strengthens"),
        (-0.2, "must be above 0, got -0.2; an edit only strengthens"),
        (math.nan, "coefficient=nan can't be used; give a number above 0"),
        (math.inf, "coefficient=inf can't be used"),
        ("0.2", "coefficient='0.2' can't be used"),
        (True, "coefficient=True can't be used"),
    ],
)
def test_only_a_positive_number_is_a_strength(coefficient, sentence):
    with pytest.raises(ValueError, match=sentence):
        require_strength(coefficient)
    require_strength(0.1)
