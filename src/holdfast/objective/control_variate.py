"""L = mean over responses of w * [sum_t A_t log p(y_t | x, y_<t) + sum_t sum_v p(v | x, y_<t) c_t(v)]
                              + (1 - w) * sum_t sum_v p(v | x, y_<t) C_t(v)                               (log-odds)

The policy gradient with the judge gradient as its control variate. y0 is a fixed response to the same prompt, the
greedy one. c_t(v) = G0_t . (E(v) - E(y0_t)) is the judge's first-order model of J around y0, and zero beyond its end.
This model predicts J as f(y) = J(y0) + sum_t c_t(y_t). The estimator subtracts f from the policy gradient and adds its
immediate part back, as an exact expectation over the next token:

    A_t = J(y) - f(y) + sum_{s > t} c_s(y_s) - b_t = J(y) - J(y0) - sum_{s <= t} c_s(y_s) - b_t

The baseline b_t is the mean of the same quantity over the other responses to the prompt. With w = 1 the gradient is
exact in expectation, for any c. C_t is the gain around the sampled response itself, so w = 0 gives the judge gradient
(summed over tokens), which is cheap and biased. The mix takes w = n / (n + 64) for n responses. It follows the judge
gradient with few responses and the unbiased estimator with many.

Conventions: as for the policy gradient. Only the gradient of L has a meaning. A, c and C are held constant.
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
"""Number of responses at which the mix gives both of its parts equal weight."""


class ControlVariate:
    """The unbiased estimator of the gradient, or its mix with the judge gradient."""

    unit = "judge log-odds"

    def __init__(
        self,
        judge: DifferentiableJudge,
        tokenizer: PreTrainedTokenizerBase,
        references: Sequence[Response],
        responses: Sequence[Response],
        weight: float | None = None,
    ) -> None:
        """Judges all responses once. Later calls run the model only.

        Args:
            judge: judge that gives log-odds and their gradients.
            tokenizer: the model's tokenizer.
            references: one greedy response a prompt.
            responses: K >= 2 samples at temperature 1 for each of these prompts.
            weight: w, in [0, 1]. None takes n / (n + 64).

        Raises:
            ValueError: a sampled prompt has no reference, no prompt has two responses, or the weight is not in [0, 1].
        """
        if weight is not None and not 0 <= weight <= 1:
            raise ValueError(f"the weight of the unbiased part must be in [0, 1], got {weight}.")
        self._gains = JudgeGains(judge, tokenizer)
        by_prompt = dict(zip((response.prompt for response in references), self._gains.judge(references), strict=True))
        if missing := [response.prompt for response in responses if response.prompt not in by_prompt]:
            raise ValueError(
                f"the prompt {missing[0][:60]!r} has samples and no reference response; give one for every prompt."
            )
        groups = groups_by_prompt([response.prompt for response in responses], range(len(responses)))
        kept = [position for group in groups for position in group]
        self.weight = len(kept) / (len(kept) + HALF_TRUST) if weight is None else weight
        self.completions = [sampled_completion(responses[position]) for position in kept]
        lengths = [len(completion.positions) for completion in self.completions]
        own = self._gains.judge([responses[position] for position in kept])
        around = [by_prompt[responses[position].prompt] for position in kept]
        self._own = [judged.fitted(length) for judged, length in zip(own, lengths, strict=True)]
        self._references = [judged.fitted(length) for judged, length in zip(around, lengths, strict=True)]
        self._advantages = self._compare([len(group) for group in groups])

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """Returns one surrogate a response."""
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
        """Returns the estimator's name and weight."""
        return {"objective": "control_variate", "weight": self.weight}

    def _compare(self, group_sizes: Sequence[int]) -> list[Float[Tensor, " token"]]:
        """Returns A_t of every response: its safety beyond the first-order model, minus the mean over its peers."""
        worth, advantages = iter(self._worth()), []
        for size in group_sizes:
            group = list(islice(worth, size))
            longest = max(len(response_worth) for response_worth in group)
            table = torch.stack([extended(response_worth, longest) for response_worth in group])
            compared = table - leave_one_out(table)
            advantages += [row[: len(response_worth)] for row, response_worth in zip(compared, group, strict=True)]
        return advantages

    def _worth(self) -> list[Float[Tensor, " token"]]:
        """Returns J(y) - J(y0) - sum_{s <= t} c_s(y_s) at every token t of every response."""
        token_ids = torch.tensor(completion_tokens(self.completions), dtype=torch.int64)
        lengths = [len(completion.positions) for completion in self.completions]
        explained = self._gains.gains_of_said(self._references, token_ids).split(lengths)
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
    """Makes the mix of the unbiased estimator with the judge gradient."""
    return make(material, weight=None)


def extended(worth: Float[Tensor, " token"], length: int) -> Float[Tensor, " length"]:
    """Returns the first `length` values. Beyond the end of a response its last value repeats."""
    if not len(worth):
        return worth.new_zeros(length)
    return worth[torch.arange(length).clamp(max=len(worth) - 1)]
