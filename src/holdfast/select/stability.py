"""Is the answer the same on other prompts? IoU of two masks beside p / (2 - p), and rank correlation of two scores

Two scores of one model, made from prompts that they do not share (halves), other seeds or other objectives. IoU tells
whether the same entries are selected; two random masks of density p have p / (2 - p). Spearman's rho over all scored
entries tells whether the whole ranking agrees; of more than 2^20 entries, as many are sampled, the same in both.
Intervals are over parameters, not over prompts: see `jackknife.py`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.ranks import rank_correlation
from holdfast.select.algebra import random_iou
from holdfast.select.jackknife import NO_ENDS, iou_interval, rank_interval
from holdfast.select.top import TopOptions, select_top
from holdfast.values import Scores, refuse_unlike

MOST_RANKED = 2**20


@dataclass(frozen=True)
class Stability:
    """How far two scores agree."""

    iou: float
    random_iou: float
    """What random masks of the same density reach."""
    rank_correlation: float | None
    """None where one of the two scores is the same for all entries."""
    iou_low: float | None = None
    """Ends of the 95% interval over parameters (`jackknife.py`); None where it has none, and in files of before."""
    iou_high: float | None = None
    rank_low: float | None = None
    rank_high: float | None = None


def stability(first: Scores, second: Scores, fraction: float = 0.01) -> Stability:
    """Agreement of two scores of the same model and sites, of their top fractions and of their whole rankings.

    Raises:
        ValueError: they are of different models or sites.
    """
    top = TopOptions(fraction=fraction)
    refuse_unlike(("the first scores", "the second"), (first, second))
    masks = select_top(first, top), select_top(second, top)
    parts = _sampled(first), _sampled(second)
    rho = rank_correlation(*(torch.cat(part) for part in parts))
    ends = *iou_interval(*masks), *(NO_ENDS if rho is None else rank_interval(*parts))
    return Stability(masks[0].iou(masks[1]), random_iou(*masks), rho, *ends)


def ranks_agree(first: Scores, second: Scores) -> float | None:
    """Spearman's rho over the scored entries; ValueError when the two are of different models or sites."""
    refuse_unlike(("the first scores", "the second"), (first, second))
    return rank_correlation(torch.cat(_sampled(first)), torch.cat(_sampled(second)))


def _sampled(scores: Scores) -> list[Tensor]:
    """The scores of every parameter, or a sample of them."""
    share = min(1.0, MOST_RANKED / scores.num_entries)
    generator = torch.Generator().manual_seed(0)
    flat = [tensor.reshape(-1) for tensor in scores.entries.values()]
    if share == 1:
        return flat
    chosen = [torch.randint(len(part), (round(share * len(part)),), generator=generator) for part in flat]
    return [part[places] for part, places in zip(flat, chosen, strict=True)]
