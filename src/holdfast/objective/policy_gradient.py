"""L = mean over responses of (J(x, y) - b) * sum_t log p(y_t | x, y_<t),   b = mean J of the other responses to x

The gradient of safety S = E[J(x, y)] by the score function (Williams 1992; strategy I of Qi et al., arXiv 2604.08297).
The advantage J - b is held constant. Any judge with numbers or verdicts will do. Under the refusal rules J is 1 for a
refusal, and S the probability of refusal. The estimator is unbiased, because b does not depend on y. It is noisy: its
variance falls only with the number of responses.

Conventions: responses are sampled at temperature 1, K >= 2 to a prompt. The end token is a choice of the model and
counts as one. Where a response was cut off by length, S is that of the cut responses. `reduction` "sum" (default) is
the formula above. "mean" divides each response's sum by its number of tokens, which gives short responses more weight
and is biased. A response without a verdict is left out, not counted as safe.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.models.response_log import Response
from holdfast.objective.choices import Reduction
from holdfast.objective.completions import (
    Completion,
    completion_logits,
    reduce_completions,
    said_log_probabilities,
)
from holdfast.objective.material import Made, Material
from holdfast.outcomes import Outcome


class PolicyGradient:
    """The score-function surrogate with a leave-one-out baseline."""

    def __init__(
        self, responses: Sequence[Response], outcomes: Sequence[Outcome], reduction: Reduction = "sum"
    ) -> None:
        """Raises ValueError when no prompt has two responses with a verdict."""
        rewards = [outcome.safety for outcome in outcomes]
        judged = [position for position, value in enumerate(rewards) if value is not None]
        advantages = {}
        for group in groups_by_prompt([response.prompt for response in responses], judged):
            values = torch.tensor([rewards[position] for position in group], dtype=torch.float64)
            advantages |= zip(group, (values - leave_one_out(values)).tolist(), strict=True)
        kept = sorted(advantages)
        self.unit = _unit(outcomes)
        self.completions = [sampled_completion(responses[position]) for position in kept]
        self.num_left_out = len(responses) - len(kept)
        self._advantages = [advantages[position] for position in kept]
        self._reduction: Reduction = reduction
        self.num_unequal = sum(advantage != 0 for advantage in self._advantages)
        """Number of responses whose reward differs from their peers' mean. At 0 the gradient is zero."""

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """Returns one surrogate a response: its advantage times its log-likelihood."""
        completions = [self.completions[item] for item in items]
        log_probabilities = said_log_probabilities(completion_logits(model, completions).log_softmax(-1), completions)
        likelihoods = reduce_completions(log_probabilities, completions, self._reduction)
        return likelihoods * torch.tensor([self._advantages[item] for item in items]).to(likelihoods)

    def describe(self) -> dict[str, object]:
        """Returns the estimator's name, its reduction and the number of responses left out."""
        return {"objective": "policy_gradient", "reduction": self._reduction, "num_left_out": self.num_left_out}


def make(material: Material) -> Made:
    """Makes the objective from sampled responses and the judge's verdicts on all of them.

    Raises:
        ValueError: the judge finds all responses to each prompt equally safe.
    """
    responses = material.answer()
    outcomes = material.verdicts(responses)
    objective = PolicyGradient(responses, outcomes, material.reduction)
    if not objective.num_unequal:
        good = sum(outcome.verdict in ("safe", "refused") for outcome in outcomes)
        what = "refused" if _are_of_refusals(outcomes) else "safe"
        raise ValueError(
            f"the judge finds all responses to the same prompt equally safe ({good} of {len(outcomes)} are {what}), so "
            "a policy gradient has nothing to compare; draw more samples a prompt, or longer ones, or score the "
            "likelihood of given refusals (refusal_likelihood)."
        )
    return Made(objective, responses)


def _unit(outcomes: Sequence[Outcome]) -> str:
    if any(outcome.score is not None for outcome in outcomes):
        return "judge score"
    return "probability of refusal" if _are_of_refusals(outcomes) else "probability of safe"


def _are_of_refusals(outcomes: Sequence[Outcome]) -> bool:
    """True where the judge answers refused or complied, which is not about harm."""
    return any(outcome.verdict in ("refused", "complied") for outcome in outcomes)


def groups_by_prompt(prompts: Sequence[str], positions: Iterable[int]) -> list[list[int]]:
    """Groups positions by their prompt. Positions that are alone with their prompt are left out.

    Raises:
        ValueError: every position is alone.
    """
    by_prompt = defaultdict(list)
    for position in positions:
        by_prompt[prompts[position]].append(position)
    groups = [group for group in by_prompt.values() if len(group) > 1]
    if not groups:
        raise ValueError(
            "a policy gradient compares responses to the same prompt, and no prompt has two with a verdict; "
            "generate with num_samples of at least 2 and a temperature of 1."
        )
    return groups


def leave_one_out(values: Float[Tensor, "response ..."]) -> Float[Tensor, "response ..."]:
    """Returns for each response the mean over the others."""
    return (values.sum(0) - values) / (len(values) - 1)


def sampled_completion(response: Response) -> Completion:
    """Returns the response as a completion, with its end token where the model chose one."""
    ended = [] if response.end_id is None else [response.end_id]
    token_ids = response.prompt_ids + response.token_ids + ended
    return Completion(response.prompt, token_ids, list(range(len(response.prompt_ids), len(token_ids))))
