"""token budget = memory allowed / bytes that backward keeps for a token   (tokens of a batch, padding counted)

A forward pass keeps activations until backward has used them, among them logits of the whole vocabulary at every
completion token. The bytes are measured on this objective and model: the bytes that two copies of an item keep, minus
those that one keeps, are the item's own share. Weights, masks and the judge's weights cancel out. The item with the
largest share of completion tokens is measured, because no other keeps more bytes a token.
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
"""Bytes that a batch may keep for backward in host memory. Larger batches are not faster there."""
PARTS_OF_A_GPU = 8
"""Number of equal parts of a GPU's memory, of which a batch may keep one. The others are for weights, sums and
backward."""
COMMON_GPU = 80 * 2**30
"""Bytes of GPU memory that a plan assumes when no GPU is present."""


def fitting_budget(model: PreTrainedModel, objective: Objective, items: Sequence[int], allowed: int) -> int:
    """Returns the tokens of a batch, padding counted, that keep `allowed` bytes. All processes get one number."""
    item = max(items, key=lambda place: _density(objective.completions[place]))
    length = len(objective.completions[item].token_ids)
    per_item = bytes_kept(model, objective, [item, item]) - bytes_kept(model, objective, [item])
    fitting = allowed * length // max(1, per_item)
    return min(gathered(max(1, min(fitting, LARGEST_BUDGET))))


def bytes_kept(model: PreTrainedModel, objective: Objective, items: Sequence[int]) -> int:
    """Returns the bytes of all tensors that a backward pass from these items' contributions would use."""
    sizes: dict[int, int] = {}
    alive: list[Tensor] = []  # a freed storage could pass its address to another

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage._cdata] = storage.nbytes()
        alive.append(tensor)
        return tensor.detach()  # a judge runs its backward in here, and the tensor itself would keep its own graph

    with torch.enable_grad(), saved_tensors_hooks(note, lambda kept: kept):
        objective.contributions(model, items)
    alive.clear()  # the graph refers to `note`, which would keep the graph's own tensors and the model alive for ever
    return sum(sizes.values())


def _density(completion: Completion) -> tuple[float, int]:
    """Returns the share of completion tokens, then the length."""
    return len(completion.positions) / len(completion.token_ids), len(completion.token_ids)


def allowed_bytes(device: torch.device) -> int:
    """Returns the bytes that a batch may keep. All devices of a kind get the same number, so that batches are equal."""
    if device.type != "cuda":
        return ON_A_CPU
    is_here = torch.cuda.is_available()
    return (torch.cuda.get_device_properties(device).total_memory if is_here else COMMON_GPU) // PARTS_OF_A_GPU
