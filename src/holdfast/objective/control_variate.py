"""L = mean over responses of w * [sum_t A_t log p(y_t | x, y_<t) + sum_t sum_v p(v | x, y_<t) c_t(v)]
                              + (1 - w) * sum_t sum_v p(v | x, y_<t) C_t(v)                               (log-odds)

The policy gradient with the judge gradient as its control variate. y0 is a fixed response to the same prompt, the
greedy one; c_t(v) = G0_t . (E(v) - E(y0_t)) is the judge's first-order model of J around it, zero
beyond its end. What this model says of J, f(y) = J(y0) + sum_t c_t(y_t), is taken out of the policy gradient, and its
immediate part put back as an exact expectation over the next token:

    A_t = J(y) - f(y) + sum_{s > t} c_s(y_s) - b_t = J(y) - J(y0) - sum_{s <= t} c_s(y_s) - b_t

with b_t the mean of the same over the other responses to the prompt. With w = 1 the gradient is exact in expectation,
whatever c is. C_t is the gain around the sampled response itself, so w = 0 is the judge gradient (sum over tokens):
cheap and biased. The mix takes w = n / (n + 64) over n responses, which follows the judge gradient while responses are
few and the unbiased one when they are many.

Conventions: as for the policy gradient. Only gradients of L mean anything; A, c and C are held constant.
"""

from collections.abc import Sequence
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.models.response_log import Response
from holdfast.objective.completions import (
    completion_logits,
    completion_tokens,
    expected_gains,
    reduce_completions,
    said_log_probabilities,
)
from holdfast.objective.gains import DifferentiableJudge, JudgeGains
from holdfast.objective.material import TRIED, Made, Material
from holdfast.objective.policy_gradient import groups_by_prompt, leave_one_out, sampled_completion

HALF_TRUST = 64
"""Responses at which the mix trusts both of its parts alike."""


class ControlVariate:
    """The unbiased estimator, or its mix with the judge gradient."""

    unit = "judge log-odds"

    def __init__(
        self,
        judge: DifferentiableJudge,
        tokenizer: PreTrainedTokenizerBase,
        references: Sequence[Response],
        responses: Sequence[Response],
        weight: float | None = None,
    ) -> None:
        """Judges everything once; after that only the model is run.

        Args:
            judge: gives log-odds and their gradients.
            tokenizer: the model's.
            references: one response a prompt, the greedy one.
            responses: K >= 2 samples at temperature 1 to each of these prompts.
            weight: w, in [0, 1]; None takes n / (n + 64).

        Raises:
            ValueError: a prompt has no reference, none has two responses, or the weight is not in [0, 1].
        """
        if weight is not None and not 0 <= weight <= 1:
            raise ValueError(f"the weight of the unbiased part must be in [0, 1], got {weight}.")
        self._gains = JudgeGains(judge, tokenizer)
        by_prompt = dict(zip((one.prompt for one in references), self._gains.judge(references), strict=True))
        if missing := [one.prompt for one in responses if one.prompt not in by_prompt]:
            raise ValueError(f"the prompt {missing[0][:60]!r} has samples and no reference response; give every one.")
        groups = groups_by_prompt([one.prompt for one in responses], range(len(responses)))
        kept = [position for group in groups for position in group]
        self.weight = len(kept) / (len(kept) + HALF_TRUST) if weight is None else weight
        self.completions = [sampled_completion(responses[position]) for position in kept]
        lengths = [len(completion.positions) for completion in self.completions]
        own = self._gains.judge([responses[position] for position in kept])
        around = [by_prompt[responses[position].prompt] for position in kept]
        self._own = [one.fitted(length) for one, length in zip(own, lengths, strict=True)]
        self._references = [one.fitted(length) for one, length in zip(around, lengths, strict=True)]
        self._advantages = self._compare([len(group) for group in groups])

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """One surrogate a response."""
        completions = [self.completions[item] for item in items]
        log_probabilities = completion_logits(model, completions).log_softmax(-1)
        likelihoods = said_log_probabilities(log_probabilities, completions)
        advantages = torch.cat([self._advantages[item] for item in items]).to(likelihoods)
        device = log_probabilities.device
        gains = self.weight * self._gains.gains([self._references[item] for item in items], device)
        gains += (1 - self.weight) * self._gains.gains([self._own[item] for item in items], device)
        expected = expected_gains(log_probabilities.exp(), gains)
        return reduce_completions(self.weight * advantages * likelihoods + expected, completions, "sum")

    def describe(self) -> dict[str, object]:
        """The estimator and its weight."""
        return {"objective": "control_variate", "weight": self.weight}

    def _compare(self, group_sizes: Sequence[int]) -> list[Float[Tensor, " token"]]:
        """A_t of every response: what it is worth beyond the first-order model, less what its peers are."""
        worth, advantages = iter(self._worth()), []
        for size in group_sizes:
            group = list(islice(worth, size))
            longest = max(len(one) for one in group)
            table = torch.stack([extended(one, longest) for one in group])
            compared = table - leave_one_out(table)
            advantages += [row[: len(one)] for row, one in zip(compared, group, strict=True)]
        return advantages

    def _worth(self) -> list[Float[Tensor, " token"]]:
        """J(y) - J(y0) - sum_{s <= t} c_s(y_s) at every token t of every response."""
        said = torch.tensor(completion_tokens(self.completions), dtype=torch.int64)
        lengths = [len(completion.positions) for completion in self.completions]
        explained = self._gains.gains_of_said(self._references, said).split(lengths)
        return [
            own.log_odds - reference.log_odds - gains.cumsum(0)
            for own, reference, gains in zip(self._own, self._references, explained, strict=True)
        ]


def make(material: Material, weight: float | None = 1.0) -> Made:
    """Makes the unbiased estimator from samples and one greedy response a prompt."""
    responses = material.answer()
    material.verdicts(responses[:TRIED])
    references = material.answer_greedily()
    judge, tokenizer = material.differentiable_judge, material.loaded.tokenizer
    return Made(ControlVariate(judge, tokenizer, references, responses, weight), [*references, *responses])


def make_mix(material: Material) -> Made:
    """Makes its mix with the judge gradient."""
    return make(material, weight=None)


def extended(worth: Float[Tensor, " token"], length: int) -> Float[Tensor, " length"]:
    """The first `length` values; after a response has ended its worth stays what it was."""
    if not len(worth):
        return worth.new_zeros(length)
    return worth[torch.arange(length).clamp(max=len(worth) - 1)]
