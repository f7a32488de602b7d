"""Merges several patches of one base into one, with one value for every entry that any of them sets."""

import torch
from torch import Tensor

from holdfast.intervene.options import Prefer
from holdfast.intervene.patch.patch_files import Chunk


def merge_chunks(chunks: list[Chunk], prefer: Prefer) -> tuple[Chunk, int]:
    """Merges patches of one parameter, and counts the entries that they set to different values.

    Args:
        chunks: all entries of each patch, in the order of the patches.
        prefer: the patch whose value wins where they differ.

    Raises:
        ValueError: two patches have different old values for one entry.
    """
    index = torch.cat([chunk.index for chunk in chunks])
    order = index.argsort(stable=True)
    merged, group, sizes = index[order].unique_consecutive(return_inverse=True, return_counts=True)
    firsts = sizes.cumsum(0) - sizes
    chosen = firsts if prefer == "first" else firsts + sizes - 1

    def join(vectors: list[Tensor]) -> tuple[Tensor, int]:
        joined = torch.cat(vectors)[order]
        bits = joined.view(len(joined), 1).view(torch.uint8)
        unlike = (bits != bits[firsts][group]).any(1)
        return joined[chosen], int(group[unlike].unique().numel())

    values, conflicts = join([chunk.values for chunk in chunks])
    olds = [chunk.old for chunk in chunks if chunk.old is not None]
    old, contradictions = join(olds) if len(olds) == len(chunks) else (None, 0)
    if contradictions:
        raise ValueError("the patches have different old values at an entry, so one is broken; make them again.")
    return Chunk(merged, values, old), conflicts
