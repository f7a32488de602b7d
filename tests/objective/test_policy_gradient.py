"""Policy gradient, control variate and mix against the exact gradient of safety on models that can be enumerated."""

from functools import cache
from statistics import fmean

import pytest
import torch

from holdfast.models.response_log import Response
from holdfast.objective import control_variate
from holdfast.objective.control_variate import ControlVariate
from holdfast.objective.judge_gradient import JudgeGradient
from holdfast.objective.policy_gradient import PolicyGradient
from holdfast.outcomes import Outcome
from tests.objective.enumerable import LETTERS, CurvedJudge, LinearJudge, World, cosine, gradient_of

UNEVEN = (3.0, -2.0, 1.0)


@cache
def worlds() -> list[World]:
    """A linear judge of a weak and of a strong dependence, and a curved judge of both."""
    judges = (LinearJudge(UNEVEN, mean=False), CurvedJudge(UNEVEN, mean=False))
    return [
        World(LETTERS, 3, judge, seed, dependence) for seed, judge in enumerate(judges) for dependence in (0.2, 0.5)
    ]


def policy_gradient(world: World, responses: list[Response]) -> PolicyGradient:
    return PolicyGradient(responses, [Outcome("safe", world.judge.log_odds(one.text)) for one in responses])


def unbiased(world: World, responses: list[Response]) -> ControlVariate:
    return ControlVariate(world.judge, world.tokenizer, [world.greedy], responses, weight=1.0)


def judge_gradient(world: World, responses: list[Response]) -> JudgeGradient:
    return JudgeGradient(world.judge, world.tokenizer, responses, "sum")


def biases(world: World, make, num_estimates: int = 40, num_responses: int = 100) -> torch.Tensor:
    """z-scores of the mean estimate against the exact gradient: along it, and along 15 directions drawn at random."""
    exact = world.exact_gradient
    generator = torch.Generator().manual_seed(3)
    along = torch.cat([exact[name].flatten() for name in sorted(exact)])
    directions = torch.randn(15, len(along), generator=generator, dtype=torch.float64)
    directions = torch.cat([along[None], directions])
    estimates = []
    for seed in range(num_estimates):
        found = gradient_of(world, make(world, world.sample_of_one_prompt(num_responses, seed)))
        estimates.append(directions @ torch.cat([found[name].double().flatten() for name in sorted(exact)]))
    found = torch.stack(estimates)
    return (found.mean(0) - directions @ along) / (found.std(0) / num_estimates**0.5)


@pytest.mark.parametrize("make", [policy_gradient, unbiased])
@pytest.mark.parametrize("world", [pytest.param(one, marks=[] if one == 3 else [pytest.mark.slow]) for one in range(4)])
def test_the_exact_gradient_lies_in_the_interval_of_the_unbiased_estimators(world, make):
    """99% over all 16 directions together: each within 3.4 standard errors (Bonferroni)."""
    assert float(biases(worlds()[world], make).abs().max()) < 3.6  # Student's t with 39 degrees of freedom


@pytest.mark.slow
def test_the_interval_is_narrow_enough_to_find_the_bias_of_the_judge_gradient():
    """The positive control of the test above."""
    assert float(biases(worlds()[3], judge_gradient, num_estimates=20).abs().max()) > 10


@pytest.mark.parametrize(
    "break_it", ["later gains kept", pytest.param("own response among the peers", marks=pytest.mark.slow)]
)
def test_a_broken_control_variate_is_found(break_it, monkeypatch):
    if break_it == "later gains kept":
        monkeypatch.setattr(torch.Tensor, "cumsum", lambda self, dim: torch.zeros_like(self))
    else:
        monkeypatch.setattr(control_variate, "leave_one_out", lambda values: values)
    assert float(biases(worlds()[1], unbiased, num_estimates=20).abs().max()) > 4


def mean_cosines(num_responses: int) -> dict[str, float]:
    """Of each estimator with the exact gradient, over all worlds and four draws of the responses."""
    found: dict[str, list[float]] = {}
    for world in worlds():
        exact = world.exact_gradient
        for seed in range(4):
            responses = world.sample_of_one_prompt(num_responses, seed)
            objectives = {
                "policy": policy_gradient(world, responses),
                "unbiased": unbiased(world, responses),
                "judge": judge_gradient(world, responses),
                "mix": ControlVariate(world.judge, world.tokenizer, [world.greedy], responses),
            }
            for name, objective in objectives.items():
                found.setdefault(name, []).append(cosine(gradient_of(world, objective), exact))
    return {name: fmean(values) for name, values in found.items()}


@pytest.mark.slow
def test_the_mix_is_as_near_as_the_better_of_its_parts_at_small_and_middling_budgets():
    few, more = mean_cosines(8), mean_cosines(64)
    assert more["unbiased"] > more["policy"] + 0.02
    for found in (few, more):
        assert found["mix"] > max(found.values()) - 0.02, found
    assert few["mix"] > few["policy"] + 0.2


def test_the_mix_trusts_its_unbiased_part_by_the_number_of_responses():
    world = worlds()[0]
    for count in (8, 64):
        responses = world.sample_of_one_prompt(count, 1)
        assert ControlVariate(world.judge, world.tokenizer, [world.greedy], responses).weight == count / (count + 64)


def test_weight_zero_is_the_judge_gradient_over_the_sum_of_tokens():
    world = worlds()[2]
    responses = world.sample_of_one_prompt(12, 0)
    mixed = gradient_of(world, ControlVariate(world.judge, world.tokenizer, [world.greedy], responses, weight=0.0))
    for name, gradient in gradient_of(world, judge_gradient(world, responses)).items():
        torch.testing.assert_close(mixed[name], gradient)


def test_the_end_of_a_response_is_a_choice():
    world = worlds()[0]
    ended = Response("prompt", [2, 7], [1], "b", finished=True, end_id=4)
    other = Response("prompt", [2, 7], [3, 5], "df", finished=False)
    objective = PolicyGradient([ended, other], [Outcome("safe"), Outcome("unsafe")])
    assert [one.token_ids for one in objective.completions] == [[2, 7, 1, 4], [2, 7, 3, 5]]
    contributions = objective.contributions(world.model, [0, 1])
    log_p = world.model(torch.tensor([[2, 7, 1, 4]])).logits.log_softmax(-1)[0]
    assert contributions[0].item() == pytest.approx((log_p[1, 1] + log_p[2, 4]).item())
    assert objective.unit == "probability of safe"


def test_what_was_not_judged_is_left_out_and_counted():
    world = worlds()[0]
    responses = world.sample_of_one_prompt(4, 0)
    outcomes = [Outcome("safe", 1.0), Outcome.unscored("no verdict"), Outcome("unsafe", -1.0), Outcome("safe", 3.0)]
    objective = PolicyGradient(responses, outcomes)
    assert len(objective.completions) == 3
    assert objective.describe()["num_left_out"] == 1
    assert objective.num_unequal == 2  # the third is what its peers are on average
    assert PolicyGradient(responses, [Outcome("safe")] * 4).num_unequal == 0
    with pytest.raises(ValueError, match="no prompt has two with a verdict"):
        PolicyGradient(responses[:2], outcomes[:2])


def test_bad_samples_are_refused():
    world = worlds()[0]
    with pytest.raises(ValueError, match="no prompt has two"):
        ControlVariate(world.judge, world.tokenizer, [world.greedy], [world.greedy])
    with pytest.raises(ValueError, match="has samples and no reference"):
        ControlVariate(world.judge, world.tokenizer, [world.respond([1], "other")], [world.greedy] * 2)
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 2.0"):
        ControlVariate(world.judge, world.tokenizer, [world.greedy], [world.greedy] * 2, weight=2.0)


def test_under_the_refusal_rules_the_reward_is_one_where_they_say_refused():
    verdicts = ("refused", "complied", "degenerate", "refused")
    said = [Response("p", [1], [2], "x", finished=True) for _ in verdicts]
    objective = PolicyGradient(said, [Outcome(verdict) for verdict in verdicts])
    assert objective.unit == "probability of refusal"
    # Rewards 1, 0, 0, 1, each less the mean of the other three.
    assert objective._advantages == pytest.approx([2 / 3, -2 / 3, -2 / 3, 2 / 3])
