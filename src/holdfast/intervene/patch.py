"""What tuning changed, as absolute new values at flat indices: applied and taken off again bit for bit."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from holdfast.artifacts import refuse_other_base
from holdfast.distributed import gathered
from holdfast.intervene.entries import Entries, InvariantError, masked_entries, same_bits, select_entries
from holdfast.models.load import fingerprint
from holdfast.values import Mask, Meta, Patch


def selected_values(model: nn.Module, mask: Mask, dtype: torch.dtype) -> dict[str, Float[Tensor, " selected"]]:
    """A copy of what the model holds at the mask's entries, on the CPU, cast to the checkpoint's dtype."""
    return {entry.name: _read_whole(entry).to(dtype) for entry in masked_entries(model, mask)}


def make_patch(
    old_values: Mapping[str, Float[Tensor, " selected"]], tuned: nn.Module, mask: Mask, made_by: Meta | None = None
) -> Patch:
    """The difference between a checkpoint and its tuned self.

    Args:
        old_values: the checkpoint's `selected_values` in its storage dtype, taken before tuning; with them it reverts.
        tuned: the tuned model; outside the mask it must equal the checkpoint.
        mask: which entries were tuned.
        made_by: how the patch was made.
    """
    new_values = {
        entry.name: _read_whole(entry).to(old_values[entry.name].dtype) for entry in masked_entries(tuned, mask)
    }
    shapes = {name: mask.shapes[name] for name in mask.indices}
    return Patch(dict(mask.indices), new_values, shapes, mask.base, dict(old_values), made_by or {})


def apply_patch(model: nn.Module, patch: Patch) -> None:
    """Writes a patch's new values into the model that it was made for.

    Raises:
        ValueError: the model is another one than the patch's base, or is patched already.
    """
    refuse_other_base("the patch", patch.base, fingerprint(model))
    _write(select_entries(model, patch.indices, patch.shapes), patch.values)


def revert_patch(model: nn.Module, patch: Patch) -> None:
    """Takes an applied patch off again, so that the model is its base bit for bit.

    Raises:
        ValueError: the patch holds no old values, or the model does not hold the patch's values.
        InvariantError: the model differs from the base outside the patch.
    """
    if patch.old_values is None:
        raise ValueError("the patch was saved without old values; load the base checkpoint again instead.")
    entries = select_entries(model, patch.indices, patch.shapes)
    for entry in entries:
        if not same_bits(entry.read().cpu(), patch.values[entry.name].to(entry.weight.dtype)):
            raise ValueError(f"the patch is not applied to this model: {entry.name} holds other values.")
    _write(entries, patch.old_values)
    if fingerprint(model) != patch.base:
        raise InvariantError("the reverted model is not the patch's base: it was changed outside the patch.")


def _read_whole(entry: Entries) -> Float[Tensor, " selected"]:
    """The entries' values on the CPU, of all processes that hold some of them: ranks hold them in the mask's order."""
    here = entry.read().cpu()
    return torch.cat(gathered(here)) if isinstance(entry.weight, DTensor) else here


def _write(entries: list[Entries], values: Mapping[str, Tensor]) -> None:
    for entry in entries:
        entry.write(values[entry.name])
