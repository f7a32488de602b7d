"""The start model's logits on its answers, kept for the largest few of every token

A vocabulary of 128,000 at 256 tokens would be 131 MB an answer. The 64 largest logits and the logarithm of the sum of
all exponentials take 132 kB, and hold nearly all of the probability of a greedy answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from holdfast.intervene.train.preserve.extra_rows import ExtraRows


@dataclass(frozen=True)
class Stored:
    """The largest logits of every response token of one exchange."""

    logits: Float[Tensor, "token kept"]
    index: Int[Tensor, "token kept"]
    normalizer: Float[Tensor, " token"]
    """Logarithm of the sum of the exponentials of all logits."""

    def gather(self, logits: Float[Tensor, "token vocabulary"]) -> Float[Tensor, "token kept"]:
        """Returns another model's logits of the kept tokens."""
        return logits.gather(1, self.index.long())

    @property
    def log_probs(self) -> Float[Tensor, "token kept"]:
        """Log-probabilities of the kept tokens."""
        return self.logits - self.normalizer[:, None]


@torch.no_grad()
def store(model: nn.Module, rows: ExtraRows, kept: int) -> Sequence[Stored]:
    """Runs the model on every exchange, and keeps its largest logits."""
    return [_stored(rows.read_at(model, [position])[0].logits, kept) for position in range(len(rows))]


def _stored(logits: Float[Tensor, "token vocabulary"], kept: int) -> Stored:
    values, index = logits.topk(min(kept, logits.shape[1]), dim=1)
    return Stored(values, index.int(), logits.logsumexp(dim=1))
