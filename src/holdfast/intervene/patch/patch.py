"""Patches of a loaded model: the new values that tuning gave some entries, applied and reverted bit for bit."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from holdfast.arguments import checked_call
from holdfast.errors import InvariantError
from holdfast.intervene.base import require_base
from holdfast.intervene.entries import Entries, masked_entries, same_bits, select_entries
from holdfast.models.fingerprints import fingerprint
from holdfast.models.given import module_of
from holdfast.value_or_path import as_patch
from holdfast.values import Mask, Meta, Patch

if TYPE_CHECKING:
    from holdfast.models.load import LoadedModel


def selected_values(
    model: nn.Module,
    mask: Mask,
    dtype: torch.dtype,
    apart: Mapping[str, torch.dtype] | None = None,
    *,
    check_base: bool = True,
) -> dict[str, Float[Tensor, " selected"]]:
    """Copies the model's values at the mask's entries to the CPU, cast to the dtypes of the checkpoint's files.

    Args:
        model: the checkpoint, as it was loaded.
        mask: the entries to copy.
        dtype: `LoadedModel.storage_dtype`.
        apart: `LoadedModel.stored_apart`: the parameters that the files hold in another dtype.
        check_base: True rejects a mask of another model.

    Raises:
        ValueError: the mask is empty or made for another model.
    """
    entries, dtypes = masked_entries(model, mask), apart or {}
    require_base("the mask", mask, model, check_base=check_base)
    return {entry.name: entry.read_whole().to(dtypes.get(entry.name, dtype)) for entry in entries}


def make_patch(
    old_values: Mapping[str, Float[Tensor, " selected"]], tuned: nn.Module, mask: Mask, made_by: Meta | None = None
) -> Patch:
    """Makes the patch that turns a checkpoint into its tuned model.

    Args:
        old_values: the checkpoint's `selected_values` in its storage dtype, copied before tuning. They make the patch
            reversible.
        tuned: the tuned model, which must equal the checkpoint outside the mask.
        mask: the entries that were tuned.
        made_by: provenance of the patch.
    """
    new_values = {
        entry.name: entry.read_whole().to(old_values[entry.name].dtype) for entry in masked_entries(tuned, mask)
    }
    shapes = {name: mask.shapes[name] for name in mask.indices}
    return Patch(dict(mask.indices), new_values, shapes, mask.base, dict(old_values), made_by or {})


@checked_call
def apply_patch(model: "nn.Module | LoadedModel", patch: Patch | str | Path, *, check_base: bool = True) -> None:
    """Writes a patch's new values into the model that it was made for.

    With `check_base=False` it takes any model with these parameters. The patch may be the path of its file.

    Raises:
        ValueError: the model is not the patch's base, or the patch is applied already.
    """
    model, patch = _checked("apply_patch", model, patch)
    entries = select_entries(model, patch.indices, patch.shapes, patch.made_by)
    try:
        require_base("the patch", patch, model, check_base=check_base)
    except ValueError:
        if _not_applied(entries, patch) is None:
            raise ValueError("the patch is already applied to this model; `revert_patch` takes it off.") from None
        raise
    _write(entries, patch.values)


@checked_call
def revert_patch(model: "nn.Module | LoadedModel", patch: Patch | str | Path, *, check_base: bool = True) -> None:
    """Reverts an applied patch, and checks that the model equals its base bit for bit.

    With `check_base=False` the model may differ from the base outside the patch. The patch may be the path of its file.

    Raises:
        ValueError: the patch has no old values, or is not applied to the model.
        InvariantError: the model differs from the base outside the patch.
    """
    model, patch = _checked("revert_patch", model, patch)
    if patch.old_values is None:
        raise ValueError("the patch was saved without old values; load the base checkpoint again instead.")
    entries = select_entries(model, patch.indices, patch.shapes, patch.made_by)
    if (name := _not_applied(entries, patch)) is not None:
        raise ValueError(f"the patch is not applied to this model: {name} holds other values.")
    _write(entries, patch.old_values)
    if check_base and fingerprint(model) != patch.base:
        raise InvariantError(
            "the reverted model is not the patch's base: it was changed outside the patch; take the base itself, or "
            "revert the patch on the checkpoint that it was applied to."
        )


def _not_applied(entries: list[Entries], patch: Patch) -> str | None:
    """Names the first parameter that does not hold the patch's new values. None where all do."""
    for entry in entries:
        if not same_bits(entry.read().cpu(), patch.values[entry.name].to(entry.weight.dtype)):
            return entry.name
    return None


def _checked(name: str, model: "nn.Module | LoadedModel", patch: Patch | str | Path) -> tuple[nn.Module, Patch]:
    """Returns the module and the patch.

    Raises:
        ValueError: the two arguments have the wrong types, for example swapped.
    """
    if isinstance(patch, nn.Module):
        raise ValueError(f"{name} takes a model and a patch, in this order; got {_types(model, patch)}.")
    return module_of(model), as_patch(patch)


def _types(*given: object) -> str:
    return ", ".join(type(argument).__name__ for argument in given)


def _write(entries: list[Entries], values: Mapping[str, Tensor]) -> None:
    for entry in entries:
        entry.write(values[entry.name])
