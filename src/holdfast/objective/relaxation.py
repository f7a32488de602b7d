"""q(v) = softmax_v((log p(v) + g_v) / tau): one relaxed draw of the next token, in place of the distribution p(v)

    gumbel            g_v = -log E_v, the E_v independent Exp(1)                              (Gumbel noise)
    straight_through  g_v = -log(E_v + p(v) E_y) for v other than y,  g_y = -log(p(y) E_y)    (the same, given y)

Without tau, argmax_v(log p(v) + g_v) is a draw from p. In a race where token v arrives at the time T_v = E_v / p(v),
log p(v) + g_v = -log T_v. The winner is independent of the winning time, which is Exp(1) because the rates p(v) add up
to 1. So given that y wins, T_y = E_y, and every other token has still to run all of its own time: T_v = E_y + E_v /
p(v). Averaged over y drawn from p, the noise given y is Gumbel noise again.

With tau near 0 q is a hard draw: its gradient averages to that of p, and its variance grows as 1 / tau. With a large
tau q is uniform for any p, and its gradient fades as 1 / tau. In between, q is biased towards uniform.

Relaxed draws: Jang et al. 2017 (arXiv 1611.01144), Maddison et al. 2017 (arXiv 1611.00712). Noise given the winner:
Paulus et al. 2021 (arXiv 2010.04838). straight_through, like gumbel, holds the noise constant when it differentiates q,
although the noise's formula contains p. There p only identifies which noise was drawn.

Conventions: uniform float32 numbers come from a generator on the CPU, so that the device changes nothing. Their 24 bits
end the noise at 16.6, which Gumbel noise exceeds with probability 6e-8. Every completion has its own seed, so that
batches change nothing either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from holdfast.objective.choices import TEMPERATURE, RelaxationKind
from holdfast.objective.completions import Completion, completion_tokens

SEEDS_APART = 1_000_003
"""Distance between the noise of two seeds. This many completions get noise of their own under each seed."""


@dataclass(frozen=True)
class Relaxation:
    """Weights of the candidates for the next token: their probabilities, or one relaxed draw."""

    kind: RelaxationKind = "expectation"
    temperature: float = TEMPERATURE
    """tau, above 0. The expectation does not use it."""
    seed: int = 0
    """Seed of the noise."""

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"the temperature of a relaxed draw must be above 0, got {self.temperature}.")

    def weights(
        self, logits: Float[Tensor, "token d_vocab"], completions: Sequence[Completion], items: Sequence[int]
    ) -> Float[Tensor, "token d_vocab"]:
        """Returns p or q of every token, differentiable. `items` are the positions of the completions."""
        if self.kind == "expectation":
            return logits.softmax(-1)
        width = logits.shape[1]
        drawn = [
            exponentials(len(completion.positions), width, (self.seed * SEEDS_APART + item) % 2**32)
            for completion, item in zip(completions, items, strict=True)
        ]
        times = torch.cat(drawn).to(logits)
        if self.kind == "gumbel":
            noise = gumbel_noise(times)
        else:
            token_ids = torch.tensor(completion_tokens(completions), device=times.device)
            noise = gumbel_noise_given(token_ids, logits.detach().log_softmax(-1), times)
        return ((logits + noise) / self.temperature).softmax(-1)

    def describe(self) -> dict[str, object]:
        """Returns the kind of draw, its temperature and the noise seed. Empty for the expectation."""
        if self.kind == "expectation":
            return {}
        return {"relaxation": self.kind, "temperature": self.temperature, "noise_seed": self.seed}


def exponentials(num_tokens: int, width: int, seed: int) -> Float[Tensor, "token d_vocab"]:
    """Draws independent numbers from Exp(1), seeded, all above 0 and finite."""
    uniform = torch.rand(num_tokens, width, generator=torch.Generator().manual_seed(seed))
    return -uniform.clamp(min=torch.finfo(uniform.dtype).tiny).log()


def gumbel_noise(exponential: Float[Tensor, "token d_vocab"]) -> Float[Tensor, "token d_vocab"]:
    """Returns g_v = -log E_v."""
    return -exponential.log()


def gumbel_noise_given(
    said: Int[Tensor, " token"],
    log_probabilities: Float[Tensor, "token d_vocab"],
    exponential: Float[Tensor, "token d_vocab"],
) -> Float[Tensor, "token d_vocab"]:
    """Returns Gumbel noise under which the given token has the largest log p(v) + g_v, made from Exp(1) draws."""
    winner = said[:, None]
    winner_draw = exponential.gather(1, winner)
    noise = -(exponential + log_probabilities.exp() * winner_draw).log()
    return noise.scatter(1, winner, -log_probabilities.gather(1, winner) - winner_draw.log())
