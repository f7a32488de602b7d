"""q(v) = softmax_v((log p(v) + g_v) / tau): one relaxed draw of the next token, in place of the whole p(v)

    gumbel            g_v = -log E_v, the E_v independent Exp(1)                              (Gumbel noise)
    straight_through  g_v = -log(E_v + p(v) E_y) for v other than y,  g_y = -log(p(y) E_y)    (the same, given y)

Without tau, argmax_v(log p(v) + g_v) is a draw from p. Read as a race, token v arrives at the time T_v = E_v / p(v),
and log p(v) + g_v = -log T_v. Who is first does not depend on when, and the first of all arrives at rate 1; so where y
is known to have won, T_y = E_y, and every other token has still to run all of its own time: T_v = E_y + E_v / p(v).
Averaged over y drawn from p, noise given y is Gumbel noise again.

tau near 0 makes q a hard draw, whose gradient averages to that of p while its variance grows as 1 / tau; a large tau
makes q even whatever p is, and its gradient fades as 1 / tau. In between q is biased towards even.

Relaxed draws: Jang et al. 2017 (arXiv 1611.01144), Maddison et al. 2017 (arXiv 1611.00712). Noise given the winner:
Paulus et al. 2021 (arXiv 2010.04838). As in straight-through without it, the noise is held constant when q is
differentiated, although its formula names p: it tells which noise was drawn, not how to draw other.

Conventions: uniform float32 numbers from a generator on the CPU, so that the device plays no part; their 24 bits end
the noise at 16.6, beyond which lies 6e-8 of it. Every completion has a seed of its own, so that neither do batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from holdfast.objective.choices import TEMPERATURE, RelaxationKind
from holdfast.objective.completions import Completion, completion_tokens

SEEDS_APART = 1_000_003
"""Between the noise of two seeds: as many completions have noise of their own under each."""


@dataclass(frozen=True)
class Relaxation:
    """What stands for the next token: all of them by their probability, or one relaxed draw."""

    kind: RelaxationKind = "expectation"
    temperature: float = TEMPERATURE
    """tau, above 0; the expectation has none."""
    seed: int = 0
    """Seed of the noise."""

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"the temperature of a relaxed draw must be above 0, got {self.temperature}.")

    def weights(
        self, logits: Float[Tensor, "token d_vocab"], completions: Sequence[Completion], items: Sequence[int]
    ) -> Float[Tensor, "token d_vocab"]:
        """Gives p or q of every token of these completions, differentiable; `items` say which completions they are."""
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
            said = torch.tensor(completion_tokens(completions), device=times.device)
            noise = gumbel_noise_given(said, logits.detach().log_softmax(-1), times)
        return ((logits + noise) / self.temperature).softmax(-1)

    def describe(self) -> dict[str, object]:
        """The draw and its noise; nothing for the expectation, which has neither."""
        if self.kind == "expectation":
            return {}
        return {"relaxation": self.kind, "temperature": self.temperature, "noise_seed": self.seed}


def exponentials(num_tokens: int, width: int, seed: int) -> Float[Tensor, "token d_vocab"]:
    """Independent draws from Exp(1), seeded, all above 0 and finite."""
    uniform = torch.rand(num_tokens, width, generator=torch.Generator().manual_seed(seed))
    return -uniform.clamp(min=torch.finfo(uniform.dtype).tiny).log()


def gumbel_noise(exponential: Float[Tensor, "token d_vocab"]) -> Float[Tensor, "token d_vocab"]:
    """g_v = -log E_v."""
    return -exponential.log()


def gumbel_noise_given(
    said: Int[Tensor, " token"],
    log_probabilities: Float[Tensor, "token d_vocab"],
    exponential: Float[Tensor, "token d_vocab"],
) -> Float[Tensor, "token d_vocab"]:
    """Gumbel noise under which the said token has the largest log p(v) + g_v, from as many draws from Exp(1)."""
    winner = said[:, None]
    first = exponential.gather(1, winner)
    noise = -(exponential + log_probabilities.exp() * first).log()
    return noise.scatter(1, winner, -log_probabilities.gather(1, winner) - first.log())
