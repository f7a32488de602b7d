"""C[t, v] = G_t . (E(v) - E(y_t))   (log-odds: to first order, what J gains when response token t is exchanged for v)

G_t is the judge's gradient dJ/d(embedding) at the characters of response token t, E(v) the judge's embedding of the
text of model token v. A token without a text of its own (special tokens, bytes of a character) has no embedding to
compare: C = 0, as good as what was said.
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
    """What the judge says of one response, and how that depends on its tokens."""

    token_ids: list[int]
    log_odds: float
    """J: positive where the judge finds the exchange safe."""
    gradients: Float[Tensor, "token d_judge"]
    """G_t of every token."""

    def fitted(self, length: int) -> "Judged":
        """Its first `length` tokens; beyond its end, and at an end token, nothing is gained."""
        missing = length - len(self.gradients)
        if missing <= 0:
            return Judged(self.token_ids[:length], self.log_odds, self.gradients[:length])
        gradients = torch.cat([self.gradients, self.gradients.new_zeros(missing, self.gradients.shape[1])])
        return Judged([*self.token_ids, *[0] * missing], self.log_odds, gradients)


class JudgeGains:
    """Carries a judge's gradients over to a model's tokens and vocabulary."""

    def __init__(self, judge: DifferentiableJudge, tokenizer: PreTrainedTokenizerBase) -> None:
        self._judge = judge
        self._tokenizer = tokenizer
        self._embeddings, self._readable = embed_vocabulary(judge, tokenizer)

    def judge(self, responses: Sequence[Response]) -> list[Judged]:
        """J of every response and G_t of every token: one forward and one backward pass of the judge.

        The judge reads what a response says, not what it thinks: G_t is zero at a token of its thoughts.
        """
        spoken = [without_thoughts(response.record) for response in responses]
        found = self._judge.response_gradients([response.prompt for response in responses], spoken)
        return [
            Judged(response.token_ids, one.log_odds, self._aligned(response, one, len(response.text) - len(text)))
            for response, one, text in zip(responses, found, spoken, strict=True)
        ]

    def gains(self, judged: Sequence[Judged], device: torch.device) -> Float[Tensor, "token d_vocab"]:
        """C for every token of every response, one response after another."""
        self._embeddings = embeddings = self._embeddings.to(device)
        self._readable = readable = self._readable.to(device)
        gradients = torch.cat([one.gradients for one in judged]).to(device)
        said = torch.tensor([token for one in judged for token in one.token_ids], dtype=torch.int64, device=device)
        gains = gradients @ embeddings.T - (gradients * embeddings[said]).sum(1, keepdim=True)
        return gains * readable * readable[said, None]

    def gains_of_said(self, judged: Sequence[Judged], said: Int[Tensor, " token"]) -> Float[Tensor, " token"]:
        """C[t, said_t] for every token of these responses: what it gains to say other tokens instead."""
        known = said < len(self._embeddings)  # a vocabulary padded beyond its tokenizer's has no text there
        said = said.where(known, 0)
        gradients = torch.cat([one.gradients for one in judged])
        own = torch.tensor([token for one in judged for token in one.token_ids], dtype=torch.int64)
        embeddings, readable = self._embeddings.cpu(), self._readable.cpu()
        gains = (gradients * (embeddings[said] - embeddings[own])).sum(1)
        return gains * known * readable[said] * readable[own]

    def _aligned(self, response: Response, judged: ResponseGradient, thoughts: int) -> Float[Tensor, "token d_judge"]:
        """G_t of every token of a response; `thoughts` counts the characters before what the judge was shown."""
        spans = token_spans(self._tokenizer, response.token_ids, response.text)
        shown = [(start + thoughts, end + thoughts) for start, end in judged.spans]
        return align(judged.gradients, shown, spans)
