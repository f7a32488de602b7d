"""w <- 0 on the selected entries, temporarily   (what does the model do without them?)

Zeroing the column of down_proj that belongs to a neuron equals zeroing the neuron's activation at every token. An
effect counts only beyond that of random masks with as many entries in every tensor. Every bit is restored afterwards.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
from transformers import PreTrainedModel

from holdfast.arguments import checked_call
from holdfast.intervene.base import require_base
from holdfast.intervene.entries import masked_entries, restored
from holdfast.models.given import module_of
from holdfast.models.load import LoadedModel
from holdfast.value_or_path import as_mask
from holdfast.values import Mask


@checked_call
def zeroed(
    model: PreTrainedModel | LoadedModel, mask: Mask | str | Path, *, check_base: bool = True
) -> AbstractContextManager[None]:
    """Context manager that sets the selected entries to zero, and restores every bit at its end.

    Example:
        >>> with zeroed(loaded, mask):
        ...     without = evaluate(loaded, None, suite, GenerateOptions(max_new_tokens=32))

    Args:
        model: the model or a LoadedModel, changed in place. Memory holds a copy of the selected values only.
        mask: a mask of weights, or the path of its file. `neuron_weights(model, neurons, ("down",))` makes one that
            turns neurons off.
        check_base: True rejects a mask of another model. The check hashes all weights.

    Raises:
        ValueError: the mask is empty, of neurons, or made for another model.
    """
    return _zeroed(module_of(model), as_mask(mask), check_base=check_base)


@contextmanager
def _zeroed(model: PreTrainedModel, mask: Mask, *, check_base: bool) -> Iterator[None]:
    entries = masked_entries(model, mask)
    require_base("the mask", mask, model, check_base=check_base)
    with restored(entries) as saved:
        for entry, values in zip(entries, saved, strict=True):
            entry.write(torch.zeros_like(values))
        yield
