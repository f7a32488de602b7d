"""random(u) = |u| * g / |g|,  g ~ N(0, I)   (a control: a direction of the same layer and length, drawn at random)

Every way in the residual stream is as likely as any other. An effect of a direction counts only beyond what such draws
do at the same coefficient.
"""

from dataclasses import replace
from pathlib import Path

import torch

from holdfast.arguments import checked_call, require_seed
from holdfast.made_by import version
from holdfast.value_or_path import as_direction
from holdfast.values import Direction


@checked_call
def random_direction(direction: Direction | str | Path, seed: int = 0) -> Direction:
    """Draws a direction at random, with the layer, the length and the model of another one.

    Args:
        direction: the direction to compare with, or the path of its file.
        seed: seed of the draw. The same seed and width give the same direction.

    Raises:
        ValueError: the file is no direction, or the seed is no whole number from 0 to 4294967295.
    """
    given = as_direction(direction)
    require_seed(seed)
    drawn = torch.randn(len(given.vector), generator=torch.Generator().manual_seed(seed))
    made_by = {**version(), "method": "random", "seed": seed, "like": dict(given.made_by)}
    return replace(given, vector=drawn / drawn.norm() * given.vector.norm(), made_by=made_by)
