"""Stability of scores: IoU of two top masks beside the random baseline p / (2 - p), and rank correlation of the scores

The two scores are of one model, made from two halves of the prompts, other seeds or other objectives. IoU measures how
far the same entries are selected. Two random masks of density p have p / (2 - p). Those with as many entries in every
tensor overlap more where tensors differ in density, so they stand beside it, too (`algebra.py`). Spearman's rho over
the scored entries measures how far the whole rankings agree. Above 2^20 entries it uses a sample of that size, the same
in both. Intervals are over parameters, not over prompts: see `jackknife.py`.
"""

import torch
from torch import Tensor

from holdfast.outcomes import Stability
from holdfast.ranks import correlation, mean_ranks, rank_correlation
from holdfast.select.jackknife import NO_ENDS, rank_interval
from holdfast.select.overlap import overlap
from holdfast.select.top import TopOptions, select_top
from holdfast.select.universe import as_options
from holdfast.values import Scores, refuse_unlike

MOST_RANKED = 2**20


def stability(first: Scores, second: Scores, fraction: float = 0.01) -> Stability:
    """Measures how far two scores of one model agree, in their top fractions and in their whole rankings.

    Raises:
        ValueError: the two belong to different models or sites.
    """
    top = as_options(fraction, TopOptions)
    refuse_unlike(("the first scores", "the second"), (first, second))
    masks = select_top(first, top), select_top(second, top)
    shared = overlap(*masks)
    parts = _sampled(first), _sampled(second)
    one, other = (mean_ranks(torch.cat(part)) for part in parts)
    rho = correlation(one, other)
    of_rho = NO_ENDS if rho is None else rank_interval(one, other, [len(part) for part in parts[0]])
    ends = shared.iou_low, shared.iou_high, *of_rho
    return Stability(shared.iou, shared.random_iou, rho, *ends, random_iou_per_tensor=shared.random_iou_per_tensor)


def ranks_agree(first: Scores, second: Scores) -> float | None:
    """Spearman's rho of two scores over the scored entries.

    Raises:
        ValueError: the two belong to different models or sites.
    """
    refuse_unlike(("the first scores", "the second"), (first, second))
    return rank_correlation(torch.cat(_sampled(first)), torch.cat(_sampled(second)))


def _sampled(scores: Scores) -> list[Tensor]:
    """Returns the flat scores of every parameter, or a sample of about 2^20 of them in all."""
    share = min(1.0, MOST_RANKED / scores.num_entries)
    generator = torch.Generator().manual_seed(0)
    flat = [tensor.reshape(-1) for tensor in scores.entries.values()]
    if share == 1:
        return flat
    chosen = [torch.randint(len(part), (round(share * len(part)),), generator=generator) for part in flat]
    return [part[places] for part, places in zip(flat, chosen, strict=True)]
