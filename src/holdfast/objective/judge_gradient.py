"""L = mean over responses of 1/T sum_t sum_v q(v | x, y_<t) * C[t, v],   C[t, v] = G_t . (E(v) - E(y_t))   (log-odds)

The gradient of safety S = E[J(x, y)] through a judge that is differentiable in its input embeddings. G_t is the judge's
gradient dJ/d(embedding) at the characters of response token t, and E(v) the judge's embedding of token v. So C[t, v] is
the first-order gain in J when v replaces token t. C is held constant, and the gradient of L points *up* in safety.
(Strategy II of Qi et al., arXiv 2604.08297.)

q weights the candidates v for the next token and has three forms (formulas: relaxation.py):

    expectation       q = p, exact over the next token (default)
    gumbel            q = softmax((log p + Gumbel noise) / tau), as in the code released with that paper, tau = 0.3
    straight_through  the same formula, with noise under which the model draws y_t. The judge reads the hard y, and the
        gradient passes through q (straight-through Gumbel-softmax, Jang et al. 2017, arXiv 1611.01144). Only for
        comparisons in Python: no option takes it

All three ignore the effect of a token on later tokens. The expectation also ignores the judge's curvature. It is exact
for one-token responses under a judge that is linear in its embeddings.

gumbel estimates the gradient of E[sum_v q(v) C[t, v]]. For tau near 0 this is the gradient of the expectation, at a
variance that grows as 1 / tau. At tau = 0.3 it is also biased towards a uniform choice.

straight_through has gumbel's mean where C does not depend on the sampled response (a linear judge, independent tokens).
Elsewhere it differs, because q is largest at the token around which C was computed. For tau near 0 it compares two
tokens by the mean of C around each (the trapezoid rule, exact for a quadratic judge). The other two forms compare them
by C around the sampled token. straight_through expects responses sampled at temperature 1. On greedy responses its
result is conditional on them having been drawn.

Conventions: tokens of the response count, its end token does not. `reduction` "mean" (default) averages over a
response's tokens, so that long responses weigh as much as short ones. "sum" is the first-order change of J itself.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.models.response_log import Response
from holdfast.objective.choices import Reduction
from holdfast.objective.completions import Completion, completion_logits, expected_gains, reduce_completions
from holdfast.objective.gains import DifferentiableJudge, JudgeGains
from holdfast.objective.material import TRIED, Made, Material
from holdfast.objective.relaxation import Relaxation


class JudgeGradient:
    """The surrogate that maps the judge's gradient to the model that generated the responses."""

    unit = "judge log-odds"

    def __init__(
        self,
        judge: DifferentiableJudge,
        tokenizer: PreTrainedTokenizerBase,
        responses: Sequence[Response],
        reduction: Reduction = "mean",
        relaxation: Relaxation = Relaxation(),
    ) -> None:
        """Raises ValueError when no response has a token. A single response without tokens counts and contributes 0."""
        if not any(response.token_ids for response in responses):
            raise ValueError(f"none of {len(responses)} responses has a token; generate with max_new_tokens above 0.")
        self.completions = [_completion(response) for response in responses]
        self._gains = JudgeGains(judge, tokenizer)
        self._responses = responses
        self._reduction: Reduction = reduction
        self._relaxation = relaxation

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """Returns one surrogate a response. Its value is the expected gain in J from drawing each token again."""
        completions = [self.completions[item] for item in items]
        judged = self._gains.judge([self._responses[item] for item in items])
        gains = self._gains.gains(judged, model.device)
        weights = self._relaxation.weights(completion_logits(model, completions), completions, items)
        return reduce_completions(expected_gains(weights, gains), completions, self._reduction)

    def describe(self) -> dict[str, object]:
        """Returns the estimator's name and options."""
        return {"objective": "judge_gradient", "reduction": self._reduction, **self._relaxation.describe()}


def make(material: Material) -> Made:
    """Makes the objective from the model's responses. The judge must have a verdict on most of the first 64."""
    responses = material.answer()
    material.verdicts(responses[:TRIED])
    relaxation = Relaxation(material.relaxation, material.temperature, material.seed)
    judge, tokenizer = material.differentiable_judge, material.loaded.tokenizer
    return Made(JudgeGradient(judge, tokenizer, responses, material.reduction, relaxation), responses)


def _completion(response: Response) -> Completion:
    begin, end = len(response.prompt_ids), len(response.prompt_ids) + len(response.token_ids)
    return Completion(response.prompt, response.prompt_ids + response.token_ids, list(range(begin, end)))
