"""Finds a direction on one half of the pairs, which also chooses the layer, and tests it on the other half.

Within the first half every layer is rated by pairs that its vector was not made from: five parts take turns, each is
left out once. The layer with most pairs recognised is taken. If several recognise as many, the one whose margins are
largest for their spread counts (mean / standard deviation). The vector is then made from the whole first half.

A share saturates: where the two sides lie far apart, a random direction tells all pairs apart or turns all round. So
the separation (mean / standard deviation of the margins) stands beside every share, for controls without its sign.

Controls on the test half: vectors from shuffled labels (exactly half of the pairs are turned round, so that the concept
itself cancels out), random directions, and the number of tokens alone, as prompts that differ in length need no concept
to be told apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from holdfast.directions.difference_in_means import difference_in_means, margins
from holdfast.p_values import p_text, rank_p_value
from holdfast.wilson import wilson_interval

FEWEST_PAIRS = 10
FOLDS = 5
CONTROLS = 20
"""Number of shuffled and of random vectors."""
LayerStates = Float[Tensor, "layer pair d_model"]


class Counted(NamedTuple):
    """Pairs that were recognised, of those that were tested."""

    told_apart: int
    n: int

    @property
    def share(self) -> float:
        """Recognised share, 0 of no pairs."""
        return self.told_apart / self.n if self.n else 0.0


class Apart(NamedTuple):
    """Pairs that a vector tells apart, and its margins."""

    recognised: Counted
    separation: float
    """Mean of the margins divided by their standard deviation."""


class RatedLayer(NamedTuple):
    """A layer's vectors on pairs that they were not made from."""

    layer: int
    apart: Apart
    """Pairs that the layer's vectors tell apart. A vector never sees the pair that it is tested on."""


@dataclass(frozen=True)
class Recognition:
    """Pairs of the test half that the direction recognises, beside controls."""

    direction: Apart
    shuffled: tuple[Apart, ...]
    """Vectors from shuffled labels."""
    random: tuple[Apart, ...]
    """Random directions."""
    length: Counted
    """Pairs told apart by their numbers of tokens. Equal numbers count for neither side, so they are left out."""

    @property
    def p_shuffled(self) -> float:
        """Share of the shuffled vectors and the direction that separate as well as the direction.

        It is 1 if the direction separates the wrong way.
        """
        own = self.direction.separation
        return rank_p_value(own, [one.separation for one in self.shuffled]) if own > 0 else 1.0


@dataclass(frozen=True, repr=False)
class Found:
    """A vector, its layer, and what was measured on the way. Print it for the direction and its controls in a line."""

    vector: Float[Tensor, " d_model"]
    layer: int
    norm: float
    """Median length of the states of the first half in this layer."""
    layers: tuple[RatedLayer, ...]
    """Layers that could be chosen, rated on the first half."""
    recognition: Recognition

    def __repr__(self) -> str:
        tested = self.recognition
        best = max((one.recognised.share for one in tested.random), default=0.0)
        return (
            f"<Found: layer {self.layer}, tells {_share_words(tested.direction.recognised)} of the pairs apart, best "
            f"random {best:.2f}, length alone {_share_words(tested.length)}, separation "
            f"{tested.direction.separation:.2f} (p {p_text(tested.p_shuffled)} against shuffled labels)>"
        )


def _share_words(counted: Counted) -> str:
    """Writes a share with its interval: '0.88 [0.77, 0.94] n=64'."""
    if not counted.n:
        return "none n=0"
    low, high = wilson_interval(counted.share, counted.n)
    return f"{counted.share:.2f} [{low:.2f}, {high:.2f}] n={counted.n}"


def split_pairs(count: int, seed: int) -> tuple[list[int], list[int]]:
    """Splits pairs at random into a half to find a direction with, and a half to test it on.

    Raises:
        ValueError: there are fewer than ten pairs.
    """
    if count < FEWEST_PAIRS:
        raise ValueError(
            f"a direction needs {FEWEST_PAIRS} pairs of prompts or more, got {count}; 60 pairs give a useful interval."
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    return sorted(order[: (count + 1) // 2]), sorted(order[(count + 1) // 2 :])


def find_direction(
    positive: LayerStates,
    negative: LayerStates,
    lengths: Sequence[tuple[int, int]],
    *,
    layer: int | None = None,
    seed: int = 0,
) -> Found:
    """Finds the direction of a concept, in a given layer or in the one that separates best on the first half.

    Args:
        positive: states of the prompts with the concept.
        negative: states of those without it, pair by pair.
        lengths: numbers of tokens of each pair.
        layer: layer to take. None chooses one.
        seed: seed of the halves and of the controls.

    Raises:
        ValueError: fewer than ten pairs, or no such layer.
    """
    candidates = candidate_layers(layer, len(positive), "this model")
    first, second = split_pairs(positive.shape[1], seed)
    rated = tuple(rate_layer(number, positive[number, first], negative[number, first], seed) for number in candidates)
    best = best_layer(rated)
    vector = difference_in_means(positive[best, first], negative[best, first])
    norm = float(torch.cat([positive[best, first], negative[best, first]]).norm(dim=1).median())
    recognition = Recognition(
        recognise(vector, positive[best, second], negative[best, second]),
        *_controls(positive[best], negative[best], (first, second), seed),
        tell_by_length([lengths[pair] for pair in first], [lengths[pair] for pair in second]),
    )
    return Found(vector, best, norm, rated, recognition)


def candidate_layers(layer: int | None, count: int, whose: str) -> Sequence[int]:
    """Returns the given layer alone, or all of a model's layers. Raises ValueError where it has no such layer."""
    if layer is None:
        return range(count)
    if not 0 <= layer < count:
        raise ValueError(f"layer {layer} is not one of {whose}'s {count}; give 0 to {count - 1}.")
    return [layer]


def best_layer(rated: Sequence[RatedLayer]) -> int:
    """Returns the layer that tells most pairs apart, of several the one with the largest separation."""
    return max(rated, key=lambda one: (one.apart.recognised.share, one.apart.separation)).layer


def recognise(
    vector: Float[Tensor, " d_model"], positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"]
) -> Apart:
    """Tells pairs apart by a vector."""
    return apart(margins(vector, positive, negative))


def apart(found: Float[Tensor, " pair"]) -> Apart:
    """Summarizes margins: the pairs above 0, and the mean by the standard deviation."""
    return Apart(Counted(int((found > 0).sum()), len(found)), float(found.mean() / found.std().clamp_min(1e-30)))


def rate_layer(
    layer: int, positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"], seed: int
) -> RatedLayer:
    """Rates a layer by vectors that leave out the pairs they are rated on."""
    part = torch.randperm(len(positive), generator=torch.Generator().manual_seed(seed)) % FOLDS
    left_out = []
    for number in range(FOLDS):
        kept, tested = part != number, part == number
        vector = difference_in_means(positive[kept], negative[kept])
        left_out.append(margins(vector, positive[tested], negative[tested]))
    return RatedLayer(layer, apart(torch.cat(left_out)))


def tell_by_length(first: Sequence[tuple[int, int]], second: Sequence[tuple[int, int]]) -> Counted:
    """Counts the test pairs that length alone tells apart, by the rule that fits the first half better."""
    longer = math.copysign(1, sum((a > b) - (a < b) for a, b in first))
    told = [longer * (a - b) > 0 for a, b in second if a != b]
    return Counted(sum(told), len(told))


def _controls(
    positive: Float[Tensor, "pair d_model"],
    negative: Float[Tensor, "pair d_model"],
    halves: tuple[list[int], list[int]],
    seed: int,
) -> tuple[tuple[Apart, ...], tuple[Apart, ...]]:
    """Tells the pairs of the second half apart by vectors from shuffled labels, and by random directions."""
    first, second = halves
    generator = torch.Generator().manual_seed(seed)
    tested = positive[second], negative[second]
    shuffled, random = [], []
    for _ in range(CONTROLS):
        shuffled.append(recognise(shuffled_vector(positive[first], negative[first], generator), *tested))
        drawn = torch.randn(positive.shape[1], generator=generator)
        random.append(recognise(drawn, *tested))
    return tuple(shuffled), tuple(random)


def chance_controls(
    positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"], seed: int
) -> tuple[tuple[Apart, ...], tuple[Apart, ...]]:
    """Tells pairs apart by vectors from their own shuffled labels, and by random directions.

    Each shuffled vector is made of all pairs but a fifth, and tells these apart, so that no pair judges itself.
    Fewer than ten pairs have no control.
    """
    if len(positive) < FEWEST_PAIRS:
        return (), ()
    generator = torch.Generator().manual_seed(seed)
    shuffled, random = [], []
    for _ in range(CONTROLS):
        part = torch.randperm(len(positive), generator=generator) % FOLDS
        found = []
        for number in range(FOLDS):
            kept, tested = part != number, part == number
            vector = shuffled_vector(positive[kept], negative[kept], generator)
            found.append(margins(vector, positive[tested], negative[tested]))
        shuffled.append(apart(torch.cat(found)))
        random.append(recognise(torch.randn(positive.shape[1], generator=generator), positive, negative))
    return tuple(shuffled), tuple(random)


def shuffled_vector(
    positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"], generator: torch.Generator
) -> Float[Tensor, " d_model"]:
    """Computes the vector of pairs of which half are turned round. An odd pair is left out."""
    order = torch.randperm(len(positive), generator=generator)
    half = len(order) // 2
    kept, turned = order[:half], order[half : 2 * half]
    ones = torch.cat([positive[kept], negative[turned]])
    others = torch.cat([negative[kept], positive[turned]])
    return difference_in_means(ones, others)
