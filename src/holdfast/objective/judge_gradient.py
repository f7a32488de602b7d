"""L = mean over responses of 1/T sum_t sum_v q(v | x, y_<t) * C[t, v],   C[t, v] = G_t . (E(v) - E(y_t))   (log-odds)

The gradient of safety S = E[J(x, y)] through a judge that is differentiable in its input embeddings: G_t is the judge's
gradient dJ/d(embedding) at the characters of response token t, E(v) the judge's embedding of token v, so C[t, v] is to
first order what J gains when token t is exchanged for v. C is held constant, and the gradient of L points *up* in
safety. (Strategy II of Qi et al., arXiv 2604.08297.)

Three forms of q, which stands for the next token v (formulas: relaxation.py):

    expectation       q = p, exact over the next token (default)
    gumbel            q = softmax((log p + Gumbel noise) / tau), as in the code released with that paper, tau = 0.3
    straight_through  the same, under noise by which the model says y_t: the judge saw the hard y, and the gradient
                      passes through q (straight-through Gumbel-softmax, Jang et al. 2017, arXiv 1611.01144)

All leave out what a token does to the tokens after it. The expectation also leaves out the judge's curvature; it is
exact for one-token responses under a judge that is linear in its embeddings. gumbel estimates the gradient of
E[sum_v q(v) C[t, v]]: for tau near 0 that is the expectation's, at a variance that grows as 1 / tau; at tau = 0.3 it is
also biased towards even choices. straight_through has gumbel's mean where C is the same whatever was said (a linear
judge, independent tokens). Elsewhere it differs, because q is largest at the token around which C was taken: for tau
near 0, two tokens are compared by the mean of the C around either (the trapezoid rule, exact for a quadratic judge),
where the other two compare them by C around whatever was said. It wants responses sampled at temperature 1; on greedy
ones it is what it would be, given that these were drawn.

Conventions: tokens of the response count, its end token does not. `reduction` "mean" (default) averages over a
response's tokens, so that long responses weigh as much as short ones; "sum" is the first-order change of J itself.
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
    """The surrogate whose gradient is the judge's, carried over to the model that gave the responses."""

    unit = "judge log-odds"

    def __init__(
        self,
        judge: DifferentiableJudge,
        tokenizer: PreTrainedTokenizerBase,
        responses: Sequence[Response],
        reduction: Reduction = "mean",
        relaxation: Relaxation = Relaxation(),
    ) -> None:
        """Raises ValueError when no response has a token; one without tokens contributes 0 and counts."""
        if not any(response.token_ids for response in responses):
            raise ValueError(f"none of {len(responses)} responses has a token; generate with max_new_tokens above 0.")
        self.completions = [_completion(response) for response in responses]
        self._gains = JudgeGains(judge, tokenizer)
        self._responses = responses
        self._reduction: Reduction = reduction
        self._relaxation = relaxation

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """One surrogate a response; its value is the gain in J to expect from saying each token anew."""
        completions = [self.completions[item] for item in items]
        judged = self._gains.judge([self._responses[item] for item in items])
        gains = self._gains.gains(judged, model.device)
        weights = self._relaxation.weights(completion_logits(model, completions), completions, items)
        return reduce_completions(expected_gains(weights, gains), completions, self._reduction)

    def describe(self) -> dict[str, object]:
        """The estimator and its choices."""
        return {"objective": "judge_gradient", "reduction": self._reduction, **self._relaxation.describe()}


def make(material: Material) -> Made:
    """Makes the objective from responses as the generation options say; the judge is tried on the first of them."""
    responses = material.answer()
    material.verdicts(responses[:TRIED])
    relaxation = Relaxation(material.relaxation, material.temperature, material.seed)
    judge, tokenizer = material.differentiable_judge, material.loaded.tokenizer
    return Made(JudgeGradient(judge, tokenizer, responses, material.reduction, relaxation), responses)


def _completion(response: Response) -> Completion:
    begin, end = len(response.prompt_ids), len(response.prompt_ids) + len(response.token_ids)
    return Completion(response.prompt, response.prompt_ids + response.token_ids, list(range(begin, end)))
