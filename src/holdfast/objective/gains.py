"""C[t, v] = G_t . (E(v) - E(y_t))   (log-odds: the first-order gain in J when v replaces response token t)

G_t is the judge's gradient dJ/d(embedding) at the characters of response token t. E(v) is the judge's embedding of the
text of model token v. Special tokens and bytes of a character have no text of their own, so the judge has no embedding
for them. Their gain C is 0, as for the token of the response itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from holdfast.judge.model_judge import ResponseGradient
from holdfast.models.response_log import Response
from holdfast.objective.alignment import align, token_spans
from holdfast.objective.vocabulary import StringEmbedder, embed_vocabulary
from holdfast.thoughts import without_thoughts


@runtime_checkable
class DifferentiableJudge(StringEmbedder, Protocol):
    """A judge whose verdict has a gradient with respect to its embeddings of a response."""

    def response_gradients(self, prompts: Sequence[str], responses: Sequence[str]) -> list[ResponseGradient]: ...


@dataclass(frozen=True, eq=False)
class Judged:
    """The judge's log-odds on one response, and their gradient at each of its tokens."""

    token_ids: list[int]
    log_odds: float
    """J: positive where the judge finds the exchange safe."""
    gradients: Float[Tensor, "token d_judge"]
    """G_t of every token."""

    def fitted(self, length: int) -> "Judged":
        """Returns the first `length` tokens. Tokens beyond the end of the response have zero gradient."""
        missing = length - len(self.gradients)
        if missing <= 0:
            return Judged(self.token_ids[:length], self.log_odds, self.gradients[:length])
        gradients = torch.cat([self.gradients, self.gradients.new_zeros(missing, self.gradients.shape[1])])
        return Judged([*self.token_ids, *[0] * missing], self.log_odds, gradients)


class JudgeGains:
    """Maps a judge's gradients to a model's tokens and vocabulary."""

    def __init__(self, judge: DifferentiableJudge, tokenizer: PreTrainedTokenizerBase) -> None:
        self._judge = judge
        self._tokenizer = tokenizer
        self._embeddings, self._readable = embed_vocabulary(judge, tokenizer)

    def judge(self, responses: Sequence[Response]) -> list[Judged]:
        """Returns J of every response and G_t of every token, from one forward and one backward pass of the judge.

        The judge reads the response without its thoughts, so G_t is zero at the tokens of the thoughts.
        """
        spoken = [without_thoughts(response.record) for response in responses]
        results = self._judge.response_gradients([response.prompt for response in responses], spoken)
        return [
            Judged(response.token_ids, result.log_odds, self._aligned(response, result, len(response.text) - len(text)))
            for response, result, text in zip(responses, results, spoken, strict=True)
        ]

    def gains(self, judged: Sequence[Judged], device: torch.device) -> Float[Tensor, "token d_vocab"]:
        """Returns C for every token of every response, one response after another."""
        self._embeddings = embeddings = self._embeddings.to(device)
        self._readable = readable = self._readable.to(device)
        gradients = torch.cat([response.gradients for response in judged]).to(device)
        own = torch.tensor(
            [token for response in judged for token in response.token_ids], dtype=torch.int64, device=device
        )
        gains = gradients @ embeddings.T - (gradients * embeddings[own]).sum(1, keepdim=True)
        return gains * readable * readable[own, None]

    def gains_of_said(self, judged: Sequence[Judged], said: Int[Tensor, " token"]) -> Float[Tensor, " token"]:
        """Returns C[t, said_t], the gain from replacing each token of these responses by the given token."""
        known = said < len(self._embeddings)  # padding entries of the vocabulary have no text
        said = said.where(known, 0)
        gradients = torch.cat([response.gradients for response in judged])
        own = torch.tensor([token for response in judged for token in response.token_ids], dtype=torch.int64)
        embeddings, readable = self._embeddings.cpu(), self._readable.cpu()
        gains = (gradients * (embeddings[said] - embeddings[own])).sum(1)
        return gains * known * readable[said] * readable[own]

    def _aligned(self, response: Response, judged: ResponseGradient, thoughts: int) -> Float[Tensor, "token d_judge"]:
        """Returns G_t of every token of a response. `thoughts` counts the characters before the judged text."""
        spans = token_spans(self._tokenizer, response.token_ids, response.text)
        shown = [(start + thoughts, end + thoughts) for start, end in judged.spans]
        return align(judged.gradients, shown, spans)
