"""L = mean over responses of 1/T sum_t sum_v p(v | x, y_<t) * C[t, v],   C[t, v] = G_t . (E(v) - E(y_t))   (log-odds)

The gradient of safety S = E[J(x, y)] through a judge that is differentiable in its input embeddings: G_t is the judge's
gradient dJ/d(embedding) at the characters of response token t, E(v) the judge's embedding of token v, so C[t, v] is to
first order what J gains when token t is exchanged for v. C is held constant, the expectation over the next token v is
exact, and the gradient of L points *up* in safety. (method.md section 2; strategy II of Qi et al., arXiv 2604.08297.)

Biased: it leaves out what a token does to the tokens after it, and the judge's curvature. Exact for one-token responses
under a judge that is linear in its embeddings.

Conventions: tokens of the response count, its end token does not. `reduction` "mean" (default) averages over a
response's tokens, so that long responses weigh as much as short ones; "sum" is the first-order change of J itself. A
token without a text of its own (special tokens, bytes of a character) has no embedding to compare: C = 0, as good as
what was said.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.judge.guard import ResponseGradient
from holdfast.models.generate import Response
from holdfast.score.objective.alignment import align, token_spans
from holdfast.score.objective.completions import Completion, Reduction, completion_logits, reduce_completions
from holdfast.score.objective.vocabulary import StringEmbedder, embed_vocabulary


@runtime_checkable
class DifferentiableJudge(StringEmbedder, Protocol):
    """A judge whose verdict has a gradient with respect to its embeddings of a response."""

    def response_gradients(self, prompts: Sequence[str], responses: Sequence[str]) -> list[ResponseGradient]: ...


class JudgeGradient:
    """The surrogate whose gradient is the judge's, carried over to the model that gave the responses."""

    unit = "judge log-odds"

    def __init__(
        self,
        judge: DifferentiableJudge,
        tokenizer: PreTrainedTokenizerBase,
        responses: Sequence[Response],
        reduction: Reduction = "mean",
    ) -> None:
        """Raises ValueError when no response has a token; one without tokens contributes 0 and counts."""
        if not any(response.token_ids for response in responses):
            raise ValueError(f"none of {len(responses)} responses has a token; generate with max_new_tokens above 0.")
        self.completions = [_completion(response) for response in responses]
        self._judge = judge
        self._tokenizer = tokenizer
        self._responses = responses
        self._reduction: Reduction = reduction
        self._embeddings, self._readable = embed_vocabulary(judge, tokenizer)

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """One surrogate a response; its value is the gain in J to expect from saying each token anew."""
        completions = [self.completions[item] for item in items]
        gains = self._gains([self._responses[item] for item in items], model.device)
        probabilities = completion_logits(model, completions).softmax(-1)
        # A model's vocabulary may be padded beyond its tokenizer's: those rows have no text either.
        width = min(gains.shape[1], probabilities.shape[1])
        expected = (probabilities[:, :width] * gains[:, :width].to(probabilities)).sum(-1)
        return reduce_completions(expected, completions, self._reduction)

    def describe(self) -> dict[str, object]:
        """The estimator and its one choice."""
        return {"objective": "judge_gradient", "reduction": self._reduction}

    def _gains(self, responses: Sequence[Response], device: torch.device) -> Float[Tensor, "token d_vocab"]:
        """C for every token of every response, one response after another."""
        embeddings, readable = self._embeddings, self._readable = self._embeddings.to(device), self._readable.to(device)
        judged = self._judge.response_gradients(
            [response.prompt for response in responses], [response.text for response in responses]
        )
        gradients = torch.cat([self._aligned(*pair) for pair in zip(responses, judged, strict=True)]).to(device)
        said = torch.tensor([token for response in responses for token in response.token_ids], dtype=torch.int64)
        said = said.to(device)
        gains = gradients @ embeddings.T - (gradients * embeddings[said]).sum(1, keepdim=True)
        return gains * readable * readable[said, None]

    def _aligned(self, response: Response, judged: ResponseGradient) -> Float[Tensor, "token d_judge"]:
        spans = token_spans(self._tokenizer, response.token_ids, response.text)
        return align(judged.gradients, judged.spans, spans)


def _completion(response: Response) -> Completion:
    begin, end = len(response.prompt_ids), len(response.prompt_ids) + len(response.token_ids)
    return Completion(response.prompt, response.prompt_ids + response.token_ids, list(range(begin, end)))
