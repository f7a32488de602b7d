"""trim(M, S, k) = the k entries of mask M with the largest scores S   (a mask cut down to a budget)

The result is exact. Ties go to the earlier tensor, then to the lower index, as in `top`. Only the scores of M's entries
are gathered and ranked, so memory beside S and M is one number per entry of M.
"""

from dataclasses import replace

from holdfast.made_by import version
from holdfast.select.ranking import select_extreme
from holdfast.select.universe import refuse_other_universe
from holdfast.values import Mask, Scores


def trim(mask: Mask, scores: Scores, num_kept: int) -> Mask:
    """Keeps the `num_kept` entries of the mask with the largest scores.

    Raises:
        ValueError: the mask belongs to another model or other sites than the scores, or has fewer entries than that.
    """
    refuse_other_universe("mask", mask, scores)
    if num_kept > len(mask):
        raise ValueError(f"cannot trim a mask of {len(mask)} entries to {num_kept}; lower the fraction.")
    gathered = {name: scores.entries[name].reshape(-1)[index] for name, index in mask.indices.items()}
    best = select_extreme(replace(scores, entries=gathered), num_kept, largest=True, made_by={})
    indices = {name: mask[name][position] for name, position in best.indices.items()}
    made_by = {"trim": num_kept, **version(), "mask": dict(mask.made_by), "scores": dict(scores.made_by)}
    return replace(mask, indices=indices, made_by=made_by)
