"""Do scores predict? rho = Spearman over groups of  sqrt(sum of score^2)  and  rms over draws of S(w + noise) - S(w)

A group's weights get noise of `ratio` sigmas, and S is measured without and with the noise. To first order the change
is the sum of (gradient * sigma * noise). Its standard deviation is ratio * sqrt(sum of ESI^2), which is the prediction
of ESI. Other scores predict by the same formula with their own values. Only the order of the predictions counts.

Groups are parameters, or runs of rows of them where there are too few parameters. They do not depend on any score.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from holdfast.artifacts import refuse_other_base
from holdfast.evaluate.expected_safety import ExpectedSafety
from holdfast.intervene.edit.perturb import perturbed
from holdfast.made_by import model_name
from holdfast.models.load import LoadedModel
from holdfast.models.sites import scored_sites
from holdfast.progress import Progress, silent, steps_of
from holdfast.ranks import rank_correlation
from holdfast.values import Mask, Scores, entries_in


def make_groups(loaded: LoadedModel, at_least: int) -> list[Mask]:
    """Splits all scored entries into groups: parameters, cut into equal runs until there are enough groups."""
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
    """Returns the root of the sum of squared scores of each group."""
    return [
        math.sqrt(sum(float(part.double().square().sum()) for part in _scores_in(scores, group))) for group in groups
    ]


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
    """Measures the root mean square change of S under noise on each group. All groups get draws of the same seeds."""
    for group in groups:
        refuse_other_base("the group", group, loaded.base, loaded.name)
    start = safety.measure(loaded.model)
    impacts = []
    for group in steps_of(progress, "measuring groups", groups):
        changes = []
        for draw in range(draws):
            generator = torch.Generator().manual_seed(1000 * seed + draw)
            with perturbed(loaded.model, group, ratio, generator, check_base=False):  # checked above, by name
                changes.append(safety.measure(loaded.model) - start)
        impacts.append(math.sqrt(sum(change**2 for change in changes) / draws))
    return impacts


def faithfulness(scores: Scores, groups: Sequence[Mask], measured: Sequence[float]) -> float | None:
    """Returns the rank correlation of predicted and measured impact. None where either is equal for all groups."""
    for group in groups:
        refuse_other_base("the group", group, scores.base, model_name(scores.made_by))
    return rank_correlation(torch.tensor(predict_impact(scores, groups)), torch.tensor(measured))


def _scores_in(scores: Scores, group: Mask) -> list[Tensor]:
    return [scores.entries[name].reshape(-1)[index] for name, index in group.indices.items()]
