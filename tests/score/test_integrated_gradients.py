"""Integrated gradients equal captum's and a computation by hand, and add up. The alpha-weighted variant does not."""

import math

import pytest
import torch

from holdfast.score.integrated_gradients import Attribution, completeness_error, integrated_gradients, nodes

START, END = torch.tensor([0.5, -1.0, 2.0]).double(), torch.tensor([1.5, 1.0, 2.0]).double()
CAPTUM = {
    "left": "riemann_left",
    "right": "riemann_right",
    "midpoint": "riemann_middle",
    "gauss_legendre": "gausslegendre",
}


def curved(points: torch.Tensor) -> torch.Tensor:
    """A logistic of a product and a square: gradients of all three change along the way."""
    return (points[:, 0] * points[:, 1] + points[:, 2] ** 2 - 3).sigmoid()


@pytest.mark.parametrize("rule", CAPTUM)
def test_values_equal_captums(rule):
    attr = pytest.importorskip("captum.attr", reason="captum is not installed, whose values ours are compared with")
    theirs = attr.IntegratedGradients(curved).attribute(END[None], START[None], n_steps=20, method=CAPTUM[rule])
    ours = integrated_gradients(curved, START, END, nodes(20, rule), at_once=7)
    torch.testing.assert_close(ours.values, theirs[0], atol=1e-6, rtol=1e-6)


def test_values_by_hand():
    """F = x y from (0, 0) to (1, 2): dF/dx = 2 alpha and dF/dy = alpha. The left rule with 2 steps has alpha 0, 1/2."""
    two = integrated_gradients(
        lambda points: points[:, 0] * points[:, 1], torch.zeros(2), torch.tensor([1.0, 2.0]), nodes(2, "left")
    )
    assert two.values.tolist() == [0.5, 0.5]
    assert two.difference == 2.0
    assert two.gap == -1.0


@pytest.mark.parametrize(
    ("rule", "most"), [("left", 0.05), ("right", 0.05), ("midpoint", 1e-3), ("gauss_legendre", 1e-9)]
)
def test_values_add_up_to_the_difference(rule, most):
    attribution = integrated_gradients(curved, START, END, nodes(20, rule))
    difference = float(curved(END[None]) - curved(START[None]))
    assert attribution.difference == pytest.approx(difference)
    assert abs(attribution.gap) < most * abs(difference)
    assert attribution.values[2] == 0  # it does not move


def test_the_alpha_weighted_variant_misses_completeness():
    """For a linear F, alpha averages 1/2, so exactly half of the difference is missing."""
    attribution = integrated_gradients(
        lambda points: points.sum(1), START, END, nodes(20, "midpoint"), alpha_weighted=True
    )
    assert attribution.gap == pytest.approx(-attribution.difference / 2)
    assert completeness_error([attribution]) == pytest.approx(0.5)


def test_the_completeness_error_is_a_share_of_all_differences():
    attributions = [Attribution(torch.tensor([1.0, 1.0]), 3.0), Attribution(torch.tensor([0.5]), -1.0)]
    assert completeness_error(attributions) == (1.0 + 1.5) / 4
    assert completeness_error([Attribution(torch.zeros(2), 0.0)]) is None


def test_weights_of_every_rule_add_up_to_one():
    for rule in CAPTUM:
        assert math.isclose(float(nodes(20, rule).weights.sum()), 1.0)
