"""The tools that the estimators are compared with, against slower ways to the same numbers."""

import pytest
import torch

from holdfast.objective.judge_gradient import JudgeGradient
from tests.objective.bias import bias_parts
from tests.objective.enumerable import CurvedJudge, LinearJudge, World, gradient_of
from tests.objective.tabulated import Tabulated, judging_once, vector

EIGHT = list("abcdefgh")
UNEVEN = (3.0, -2.0, 1.0)


def curved(length: int = 2) -> World:
    return World(EIGHT, length, CurvedJudge(UNEVEN, mean=False), seed=1)


def test_the_table_gives_the_gradient_of_the_model_itself():
    """1e-6 is the rounding of float32 sums."""
    world = curved()
    responses = world.sample_of_one_prompt(30, seed=0)
    objective = JudgeGradient(world.judge, world.tokenizer, responses, "sum")
    expected = vector(world, gradient_of(world, objective))
    found = Tabulated(world).estimate(objective)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))
    with judging_once():
        again = Tabulated(world).estimate(objective)
    assert torch.equal(again, found)


def test_the_exact_part_is_the_enumerated_gradient():
    """1e-6 is the rounding of the model's norms, which it computes in float32."""
    world = curved()
    expected = vector(world, world.exact_gradient)
    found = bias_parts(world, Tabulated(world)).exact
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


def test_the_judges_part_is_what_the_judge_gradient_tends_to():
    """Of all 64 responses by their probability, one by one."""
    world = curved()
    tabulated = Tabulated(world)
    _, probabilities, sequences = world.enumerate()
    expected = torch.zeros_like(tabulated.derivatives[0])
    for probability, said in zip(probabilities, sequences, strict=True):
        objective = JudgeGradient(world.judge, world.tokenizer, [world.respond(said)], "sum")
        expected += probability * tabulated.estimate(objective)
    found = bias_parts(world, tabulated).judge
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))  # float32 sums


def test_a_linear_judge_has_no_curvature_and_a_last_token_no_later_ones():
    linear = World(EIGHT, 2, LinearJudge(UNEVEN, mean=False))
    parts = bias_parts(linear, Tabulated(linear))
    assert parts.curvature < 1e-12
    assert parts.later > 0.1
    one = curved(length=1)
    parts = bias_parts(one, Tabulated(one))
    assert parts.later < 1e-12
    assert parts.curvature > 0.1


@pytest.mark.parametrize("judge", [LinearJudge, CurvedJudge])
def test_the_effect_on_later_tokens_vanishes_with_their_dependence(judge):
    """In proportion to it: a tenth of the weights leaves a tenth of the effect, within a factor of two."""
    found = {}
    for dependence in (0.02, 0.002):
        world = World(EIGHT, 2, judge(UNEVEN, mean=False), dependence=dependence)
        found[dependence] = bias_parts(world, Tabulated(world)).later
    assert 0.05 < found[0.002] / found[0.02] < 0.2
