"""Do scores predict? rho = Spearman over groups of  sqrt(sum of score^2)  and  rms over draws of S(w + noise) - S(w)

A group's weights get noise of `ratio` sigmas; S is measured before and under it. To first order the change is the sum
of (gradient * sigma * noise), whose standard deviation is ratio * sqrt(sum of ESI^2): that is what ESI predicts. Every
other score is asked the same question with its own numbers; only their order counts.

Groups are parameters, or runs of rows of them where there are too few parameters: no score had a say in them.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from holdfast.artifacts import refuse_other_base
from holdfast.evaluate.expected_safety import ExpectedSafety
from holdfast.intervene.edit.perturb import perturbed
from holdfast.models.load import LoadedModel
from holdfast.models.sites import scored_sites
from holdfast.progress import Progress, silent
from holdfast.ranks import rank_correlation
from holdfast.values import Mask, Scores, entries_in


def make_groups(loaded: LoadedModel, at_least: int) -> list[Mask]:
    """Every scored entry in one group: each parameter, cut into equal runs of entries until there are enough groups."""
    shapes = {site.name: site.shape for site in scored_sites(loaded.model)}
    num_parameters = sum(weight.numel() for weight in loaded.model.parameters())
    pieces = math.ceil(at_least / len(shapes))
    groups = []
    for name in sorted(shapes):
        for piece in torch.arange(entries_in(shapes[name])).tensor_split(pieces):
            if len(piece):
                made_by = {"group": f"{name} from {int(piece[0])}"}
                groups.append(Mask({name: piece}, shapes, loaded.base, num_parameters, made_by))
    return groups


def predict_impact(scores: Scores, groups: Sequence[Mask]) -> list[float]:
    """Root of the sum of squared scores of each group."""
    return [math.sqrt(sum(float(part.double().square().sum()) for part in _scores_in(scores, one))) for one in groups]


def measure_impact(
    loaded: LoadedModel,
    safety: ExpectedSafety,
    groups: Sequence[Mask],
    *,
    ratio: float,
    draws: int,
    seed: int = 0,
    progress: Progress = silent,
) -> list[float]:
    """Root mean square change of S under noise on each group; every group gets draws of the same seeds."""
    for group in groups:
        refuse_other_base("the group", group.base, loaded.base)
    start = safety.measure(loaded.model)
    found = []
    for order, group in enumerate(groups):
        changes = []
        for draw in range(draws):
            generator = torch.Generator().manual_seed(1000 * seed + draw)
            with perturbed(loaded.model, group, ratio, generator, check_base=False):  # by name, above
                changes.append(safety.measure(loaded.model) - start)
        found.append(math.sqrt(sum(change**2 for change in changes) / draws))
        progress("measuring groups", order + 1, len(groups))
    return found


def faithfulness(scores: Scores, groups: Sequence[Mask], measured: Sequence[float]) -> float | None:
    """Rank correlation of what the scores predict and what was measured; None where either is the same for all."""
    for group in groups:
        refuse_other_base("the group", group.base, scores.base)
    return rank_correlation(torch.tensor(predict_impact(scores, groups)), torch.tensor(measured))


def _scores_in(scores: Scores, group: Mask) -> list[Tensor]:
    return [scores.entries[name].reshape(-1)[index] for name, index in group.indices.items()]
