"""token budget = memory allowed / bytes that backward keeps for a token   (tokens of a batch, padding counted)

A forward pass keeps activations, and logits of the whole vocabulary at every token of a completion, until backward has
used them. They are measured with the objective and the model at hand: what two copies of an item keep, less what one
keeps, is an item's own share, and weights, masks and a judge's weights cancel out. The item is the one of which the
largest part is completion, so that no other item keeps more for a token.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from transformers import PreTrainedModel

from holdfast.distributed import gathered
from holdfast.models.logits import LARGEST_BUDGET
from holdfast.objective.completions import Completion, Objective

ON_A_CPU = 2**29
"""Bytes that a batch may keep for backward in host memory, where larger batches are no faster either."""
PARTS_OF_A_GPU = 8
"""A batch may keep one such part of a GPU's memory; weights, sums and what backward makes need the others."""
COMMON_GPU = 80 * 2**30
"""Bytes of a GPU that is planned for and not there."""


def fitting_budget(model: PreTrainedModel, objective: Objective, items: Sequence[int], allowed: int) -> int:
    """Returns how many tokens, padding counted, a batch may have to keep `allowed` bytes; equal in all processes."""
    item = max(items, key=lambda place: _density(objective.completions[place]))
    length = len(objective.completions[item].token_ids)
    per_item = bytes_kept(model, objective, [item, item]) - bytes_kept(model, objective, [item])
    fitting = allowed * length // max(1, per_item)
    return min(gathered(max(1, min(fitting, LARGEST_BUDGET))))


def bytes_kept(model: PreTrainedModel, objective: Objective, items: Sequence[int]) -> int:
    """Returns the bytes of all tensors that a backward pass from these items' contributions would use."""
    sizes: dict[int, int] = {}
    alive: list[Tensor] = []  # a storage that is let go could give its address to another

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage._cdata] = storage.nbytes()
        alive.append(tensor)
        return tensor.detach()  # the judge's gradient goes backward in here; the tensor itself would keep its own graph

    with torch.enable_grad(), saved_tensors_hooks(note, lambda kept: kept):
        objective.contributions(model, items)
    alive.clear()  # the graph keeps `note`, and would through it keep its own tensors, and the model, for ever
    return sum(sizes.values())


def _density(completion: Completion) -> tuple[float, int]:
    """The share of completion tokens, and the length."""
    return len(completion.positions) / len(completion.token_ids), len(completion.token_ids)


def allowed_bytes(device: torch.device) -> int:
    """Returns the bytes that a batch may keep; the same for every device of a kind, so that batches are equal."""
    if device.type != "cuda":
        return ON_A_CPU
    is_here = torch.cuda.is_available()
    return (torch.cuda.get_device_properties(device).total_memory if is_here else COMMON_GPU) // PARTS_OF_A_GPU
