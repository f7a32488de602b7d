"""score(w) = noise, uniform in [0, 1)

A control: it shows the result that any ranking reaches. Two halves of the items get independent noise, so that their
masks overlap by chance: IoU p / (2 - p).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.artifacts import seed_from
from holdfast.models.shards import held, rows_of
from holdfast.objective.completions import Objective
from holdfast.score.passes import Pass
from holdfast.score.registry import SCORES, ScoreMethod
from holdfast.score.sums import Sums


def random(
    weight: Float[Tensor, "..."], noise: Float[Tensor, "..."], sigma: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Returns the noise that was drawn for the parameter."""
    return noise


def draw_noise(
    model: PreTrainedModel, names: Sequence[str], objective: Objective, items: Sequence[int], how: Pass = Pass()
) -> Sums:
    """Draws uniform noise for every named parameter. The same prompts give the same noise."""
    prompts = [objective.completions[item].prompt for item in items]
    generator = torch.Generator().manual_seed(seed_from(prompts))
    weights = dict(model.named_parameters())
    drawn = {name: torch.rand(weights[name].shape, generator=generator) for name in names}
    here = {name: rows_of(noise, held(weights[name])) for name, noise in drawn.items()}
    return Sums({name: noise.to(weights[name].device) * len(items) for name, noise in here.items()}, len(items))


SCORES.register("random")(ScoreMethod(random, unit="chance", needs="noise"))
