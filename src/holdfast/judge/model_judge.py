"""J(x, y) = logsumexp(logits of the safe verdicts) - logsumexp(logits of the unsafe ones)   (log-odds)

The common part of all judges that are models: batches of exchanges, outcomes, and the gradient of J with respect to the
judge's *input embeddings*. The gradient measures what each piece of the response contributes. It differentiates
log-odds and not a probability, since a softmax saturates. J is positive if the judge finds the exchange safe.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.distributed import in_step
from holdfast.models.fingerprints import fingerprint
from holdfast.models.shards import is_sharded
from holdfast.models.tables import check_token_ids, context_of
from holdfast.outcomes import Outcome, Verdict
from holdfast.prompts.batching import batches_by_length, right_pad
from holdfast.prompts.chat import TokenSpan


@dataclass(frozen=True)
class ResponseGradient:
    """The judge's log-odds for a response, with their gradient."""

    log_odds: float
    gradients: Float[Tensor, "token d_judge"]
    """dJ / d(input embedding) of every judge token that holds characters of the response, float32 on the CPU."""
    spans: list[tuple[int, int]]
    """For each of those tokens, the characters of the response that it holds."""


@dataclass(frozen=True)
class ShownExchange:
    """An exchange as the judge reads it."""

    token_ids: list[int]
    response: list[TokenSpan]
    """The tokens that hold the response's text, in order."""
    segments: list[int] | None = None
    """For each token, the text that it belongs to, 0 or 1. Only for a judge that uses segment ids."""


@dataclass(frozen=True)
class Batch:
    """Exchanges that are judged together, padded on the right."""

    positions: list[int]
    """Their positions among all exchanges."""
    exchanges: list[ShownExchange]
    token_ids: Int[Tensor, "batch token"]
    attention_mask: Int[Tensor, "batch token"]
    segments: Int[Tensor, "batch token"] | None


class ModelJudge(ABC):
    """A judge that is a model: it reads an exchange and has a logit for every verdict."""

    verdicts: frozenset[Verdict] = frozenset(("safe", "unsafe"))
    sides: tuple[Verdict, Verdict] = ("safe", "unsafe")
    """Verdict if J is positive, and verdict otherwise."""
    pads = True
    """True if exchanges of unequal length may share a batch."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, token_budget: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.safe_ids: list[int] = []
        """Positions of the safe verdicts among the logits. Each kind of judge sets its own."""
        self.unsafe_ids: list[int] = []
        self._token_budget = token_budget
        self._embedding = cast(nn.Embedding, model.get_input_embeddings())

    @cached_property
    def base(self) -> str:
        """Fingerprint of the judge's weights. Code that has loaded them sets it, so that they are not hashed again."""
        return fingerprint(self.model)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the judge, which is that of its weights."""
        return self.base

    @abstractmethod
    def show(self, prompt: str, response: str) -> ShownExchange:
        """Returns the tokens that the judge reads for an exchange, prompt and response."""

    @abstractmethod
    def verdict_logits(
        self, embeddings: Float[Tensor, "batch token d_judge"], batch: Batch
    ) -> Float[Tensor, "batch verdict"]:
        """Computes the logits of the verdicts from the input embeddings, in float32 or a wider dtype."""

    def objection(self, logits: Float[Tensor, " verdict"]) -> str | None:
        """Returns the reason why an exchange with these logits has no verdict. None if it has one."""
        return None

    def judge(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Outcome]:
        """Returns one outcome per response, in order: a verdict with its log-odds, or unscored with a reason.

        Raises:
            ValueError: an exchange has a token that the judge's embedding lacks.
        """
        outcomes: list[Outcome] = [Outcome.unscored("longer than the judge's context")] * len(responses)
        with torch.no_grad():
            for batch, is_own in self._batches(prompts, responses):
                logits = self.verdict_logits(self._embedding(batch.token_ids), batch).cpu()
                if not is_own:
                    continue
                for position, row, log_odds in zip(batch.positions, logits, self._log_odds(logits), strict=True):
                    outcomes[position] = self._outcome(row, float(log_odds))
        return outcomes

    def response_gradients(self, prompts: Sequence[str], responses: Sequence[str]) -> list[ResponseGradient]:
        """Returns each response's log-odds, and their gradient with respect to the judge's embeddings of the response.

        Raises:
            ValueError: a response is longer than the judge's context, or its log-odds are not finite.
        """
        gradients: dict[int, ResponseGradient] = {}
        for batch, is_own in self._batches(prompts, responses):
            embeddings = self._embedding(batch.token_ids).detach().requires_grad_()
            log_odds = self._log_odds(self.verdict_logits(embeddings, batch))
            (gradient,) = torch.autograd.grad(log_odds.sum(), embeddings)
            if not is_own:
                continue
            rows = zip(batch.positions, log_odds.tolist(), gradient.float().cpu(), batch.exchanges, strict=True)
            for position, value, row, exchange in rows:
                _refuse_unseen(responses[position], exchange)
                of_response = row[[span.token for span in exchange.response]]
                spans = [(span.start, span.end) for span in exchange.response]
                gradients[position] = ResponseGradient(value, of_response, spans)
        _refuse_unjudged(gradients, responses)
        return [gradients[position] for position in range(len(responses))]

    @torch.no_grad()
    def embed_strings(self, strings: Sequence[str]) -> Float[Tensor, "string d_judge"]:
        """Returns the mean input embedding of the judge's tokens of each string, float32 on the CPU.

        An empty string has zeros.

        Embeddings are those that the judge's layers get. If a model scales its table (Gemma), they are scaled.
        """
        encoded = self.tokenizer(list(strings), add_special_tokens=False, split_special_tokens=True)["input_ids"]
        check_token_ids(self.model, self.tokenizer, encoded)
        lengths = torch.tensor([len(ids) for ids in encoded])
        owners = torch.repeat_interleave(torch.arange(len(encoded)), lengths)
        flat = torch.tensor([token for ids in encoded for token in ids], dtype=torch.int64)
        embedded = self._embedding(flat.to(self.model.device)).float().cpu()
        total = torch.zeros(len(encoded), embedded.shape[1]).index_add_(0, owners, embedded)
        return total / lengths.clamp(min=1)[:, None]

    @property
    def context(self) -> int:
        """Largest number of tokens that the judge can read."""
        return context_of(self.model) or 2**31

    def _batches(self, prompts: Sequence[str], responses: Sequence[str]) -> Iterator[tuple[Batch, bool]]:
        """Yields the batches to judge, each with True.

        With a sharded judge every process has to run equally many batches. Fillers for that come with False.
        """
        shown = [self.show(prompt, response) for prompt, response in zip(prompts, responses, strict=True)]
        lengths = [len(exchange.token_ids) for exchange in shown]
        check_token_ids(self.model, self.tokenizer, [exchange.token_ids for exchange in shown])
        fitting = [position for position, length in enumerate(lengths) if length <= self.context]
        groups = [fitting]
        if not self.pads:
            groups = [
                [place for place in fitting if lengths[place] == length]
                for length in sorted({lengths[place] for place in fitting})
            ]
        chosen = [
            [group[place] for place in batch]
            for group in groups
            for batch in batches_by_length([lengths[place] for place in group], self._token_budget)
        ]
        together = in_step(chosen, list) if is_sharded(self.model) else ((positions, True) for positions in chosen)
        for positions, is_own in together:
            exchanges = [shown[position] for position in positions] or [self.show("a", "a")]
            yield self._batch(positions, exchanges), is_own

    def _batch(self, positions: list[int], exchanges: list[ShownExchange]) -> Batch:
        device = self.model.device
        token_ids, attention_mask = right_pad([exchange.token_ids for exchange in exchanges], pad_id=0)
        segments = [exchange.segments for exchange in exchanges if exchange.segments is not None]
        padded = right_pad(segments, pad_id=0)[0].to(device) if segments else None
        return Batch(positions, exchanges, token_ids.to(device), attention_mask.to(device), padded)

    def _log_odds(self, logits: Float[Tensor, "batch verdict"]) -> Float[Tensor, " batch"]:
        return logits[:, self.safe_ids].logsumexp(1) - logits[:, self.unsafe_ids].logsumexp(1)

    def _outcome(self, logits: Float[Tensor, " verdict"], log_odds: float) -> Outcome:
        if not math.isfinite(log_odds):
            return Outcome.unscored("the judge's log-odds are not finite")
        if objection := self.objection(logits):
            return Outcome.unscored(objection)
        return Outcome(self.sides[0 if log_odds > 0 else 1], score=log_odds)


def _refuse_unseen(response: str, exchange: ShownExchange) -> None:
    """Raises ValueError if the place where the judge reads the response is unknown."""
    if response.strip() and not exchange.response:
        raise ValueError(
            f"the judge's chat template rewrites a response, so its gradient is unknown: {response[:60]!r}; use a "
            "judge whose template leaves responses unchanged, or objective policy_gradient."
        )


def _refuse_unjudged(gradients: dict[int, ResponseGradient], responses: Sequence[str]) -> None:
    for position, response in enumerate(responses):
        if position not in gradients:
            raise ValueError(
                f"a response is longer than the judge's context, so it has no gradient: {response[:60]!r}; "
                "lower max_new_tokens."
            )
        if not math.isfinite(gradients[position].log_odds):
            raise ValueError(f"the judge's log-odds are not finite for the response {response[:60]!r}; try float32.")
