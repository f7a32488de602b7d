"""SPA under LoRA and QLoRA: the effective weights W + s B A keep their protected entries, trained, merged and reloaded.

With LoRA no trained parameter bears a name from the mask, and freezing can't hold single entries of a product.
`lora_layers.py` chooses the layers to hold, and `held_layer.py` holds each of them. A merged checkpoint keeps the hold
after training. So does an adapter with the mask that every save writes beside it (`held_adapter.py`). Plain PEFT does
not read that mask, so it loads and merges without the hold.
"""

import logging
from pathlib import Path
from typing import Self

from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from holdfast.arguments import checked_call, require_name
from holdfast.artifacts import load_mask
from holdfast.errors import InvariantError
from holdfast.intervene.base import require_base
from holdfast.intervene.entries import refuse_changed
from holdfast.intervene.hold.held_adapter import MASK_FILE as MASK_FILE
from holdfast.intervene.hold.held_adapter import HeldAdapter, write_beside
from holdfast.intervene.hold.held_layer import HeldLayer, hold_layer, refuse_quantised, release_layer
from holdfast.intervene.hold.hold_summary import held_words
from holdfast.intervene.hold.lora_layers import (
    adapters_of,
    base_entries,
    base_parameters,
    layers_to_hold,
    trained_whole,
)
from holdfast.models.locate import quiet_transformers
from holdfast.spelling import joined as listed
from holdfast.value_or_path import as_mask
from holdfast.values import Mask

logger = logging.getLogger(__name__)


class LoraProtection:
    """A hold on the effective weights that a mask selects. `release`, or the end of a `with` block, ends it."""

    def __init__(self, model: PeftModel, mask: Mask | str | Path, *, check_base: bool = True) -> None:
        """See `protect_lora`."""
        refuse_plain(model)
        mask = as_mask(mask)
        self._model, self.mask = model, mask
        layers = layers_to_hold(model, mask)
        self._entries = base_entries(model, mask)
        if any(isinstance(layer, HeldLayer) for layer in layers.values()):
            raise ValueError(
                "these adapters are held already; release the other hold first, or hold the union of the masks "
                "(first | second)."
            )
        self._saved = [entry.read() for entry in self._entries]
        self._held = list(layers.values())
        require_base("the mask", mask, model, base_parameters(model), check_base=check_base)
        _warn_of_trained_whole(model)
        for name, layer in zip(layers, self._held, strict=True):
            hold_layer(layer, mask.shapes[name], mask[name])
        _hold_saves(model, self)
        self.entries_under_adapters = sum(len(mask[name]) for name in layers)
        """Number of protected entries in matrices with an adapter."""
        self._warned = False
        self.entries_frozen = len(mask) - self.entries_under_adapters
        """Number of protected entries in matrices without an adapter. They stay frozen with the base."""

    def verify(self) -> None:
        """Compares every protected entry of the base with its saved value, and checks that each adapter is held.

        Raises:
            InvariantError: a bit has changed, or an adapter was added or replaced since the hold began.
        """
        refuse_changed(self._entries, self._saved)
        for name, layer in adapters_of(self._model, self.mask).items():
            if not isinstance(layer, HeldLayer):
                raise InvariantError(
                    f"an adapter moves held weights of {name}: it was added after protect_lora; add "
                    "every adapter before the hold begins, and train again from the base."
                )

    def release(self) -> None:
        """Gives the model and its layers PEFT's own classes back. Adapters that were merged under the hold stay merged.

        Afterwards a trained adapter moves the protected entries, and a save does not write the mask. Save or merge the
        adapter before.
        """
        while self._held:
            release_layer(self._held.pop())
        if held_by(self._model) is self:
            self._model.__class__ = type(self._model).__bases__[1]
            del self._model.hold

    def warn(self, folder: object) -> None:
        """Warns once that a saved adapter alone does not hold the weights. Later calls log at the level INFO."""
        level, self._warned = logging.INFO if self._warned else logging.WARNING, True
        logger.log(
            level,
            "the adapter alone does not hold the %s held weights: plain PEFT moves them. This is true of %r and of "
            "every save of this model. The mask lies beside each: load one with holdfast.load_protected, or save what "
            "holdfast.merge_protected(model) returns.",
            f"{len(self.mask):,}",
            str(folder),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return held_words(self, len(self.mask), is_released=not self._held)


@checked_call
def protect_lora(model: PeftModel, mask: Mask | str | Path, *, check_base: bool = True) -> LoraProtection:
    """Holds the effective weights of the selected entries at the base's values, through training, merge and unmerge.

    During the hold every save of the adapter, also a trainer's, writes the mask beside it. Keep the hold until the
    adapter is saved or merged, because a trained adapter moves the entries as soon as it is released.

    Args:
        model: a base with LoRA adapters on linear layers. The base may be quantised, and any optimizer may train it.
        mask: the entries to hold, under the names of the base model, as a Mask or as the path of its file.
        check_base: True rejects a base that the mask was not made for. A quantised base has no bits to compare and
            passes unchecked.

    Raises:
        ValueError: the mask was made for another model, or the model has no adapter on a masked parameter. Or such an
            adapter can't be held: DoRA and other variants, experts stored as one tensor, modules_to_save, other tuners.
    """
    return LoraProtection(model, mask, check_base=check_base)


def _warn_of_trained_whole(model: PeftModel) -> None:
    if whole := trained_whole(model):
        logger.warning(
            "modules_to_save trains all weights of %s, and the hold covers none of them; leave them out of "
            "modules_to_save to keep their values.",
            listed(whole, "and"),
        )


def refuse_plain(model: object) -> None:
    """Raises ValueError when a model is not a PeftModel, such as the path of an adapter."""
    if isinstance(model, str | Path):
        raise ValueError(
            f"a model with adapters was expected, got the path {str(model)!r}; load the folder with "
            "holdfast.load_protected(base, folder) first."
        )
    if not isinstance(model, PeftModel):
        raise ValueError(
            f"{type(model).__name__} carries no adapters of PEFT; give what peft.get_peft_model returned, or hold the "
            "weights themselves with ProtectCallback or protect."
        )


def held_by(model: nn.Module) -> LoraProtection | None:
    """Returns the hold on a model's adapters, or None."""
    hold = model.hold if isinstance(model, HeldAdapter) else None
    return hold if isinstance(hold, LoraProtection) else None


@checked_call
def merge_protected(
    model: PeftModel, mask: Mask | str | Path | None = None, *, check_base: bool = True
) -> PreTrainedModel:
    """Merges the active adapters into the base, whose protected entries keep every bit.

    A checkpoint of the returned model needs no mask beside it, and any program may serve it.

    Args:
        model: a base with LoRA adapters.
        mask: the entries to hold, as a Mask or as the path of its file. A model under a hold needs none.
        check_base: True rejects a base that the mask was not made for.

    Raises:
        ValueError: there is neither a mask nor a hold, the base is quantised, or the mask was made for another base. Or
            the adapters are merged already without a hold, or as in `protect_lora`.
    """
    refuse_plain(model)
    hold = held_by(model)
    if mask is None:
        if hold is None:
            raise ValueError("the model is not held, so nothing says which entries to keep; give the mask.")
        mask = hold.mask
    mask = as_mask(mask)
    for name, layer in adapters_of(model, mask).items():
        refuse_quantised(name, layer)
        if layer.merged and not isinstance(layer, HeldLayer):
            raise ValueError(f"the adapter of {name} is merged already, without a hold; call unmerge_adapter first.")
    entries = base_entries(model, mask)
    _require_base(model, mask, check_base=check_base)
    saved = [entry.read() for entry in entries]
    merged = model.merge_and_unload()
    for entry, values in zip(entries, saved, strict=True):
        entry.write(values)
    return merged


@checked_call
def save_protected(model: PeftModel, mask: Mask | str | Path, folder: str | Path, *, check_base: bool = True) -> None:
    """Writes the adapter as PEFT does, with the mask beside it for `load_protected`.

    The adapter alone does not hold the weights, because s B A has values at the protected entries and plain PEFT
    applies them. A model under a hold needs no such call, since its own `save_pretrained` writes the mask.

    Raises:
        ValueError: the mask was made for another base, and `check_base` is not False.
    """
    refuse_plain(model)
    mask = as_mask(mask)
    require_name(folder, "a folder", "give the model, the mask and the folder for the adapter, in this order")
    _require_base(model, mask, check_base=check_base)
    save_adapter(model, Path(folder))
    write_beside(Path(folder), model.peft_config, mask)


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Writes the adapter, and no weights of the base."""
    with quiet_transformers():
        model.save_pretrained(str(folder), save_embedding_layers=False)


@checked_call
def load_protected(
    base: PreTrainedModel, folder: str | Path, *, is_trainable: bool = False, check_base: bool = True
) -> PeftModel:
    """Loads a saved adapter onto its base, and holds the entries of the mask beside it.

    Plain PEFT, and any other server of adapters, loads the folder without the hold. A merged checkpoint
    (`merge_protected`) keeps it.

    Args:
        base: the model that the adapter was trained on.
        folder: the folder where a held model, or its trainer, saved the adapter.
        is_trainable: True lets the adapter be trained further.
        check_base: True rejects another base than the mask's. A quantised base has no bits to compare and passes
            unchecked.

    Raises:
        ValueError: the folder has no adapter or no mask, or the base is not the mask's.
    """
    if not isinstance(base, PreTrainedModel):
        raise ValueError(
            f"load_protected takes a loaded model and then a folder, got {type(base).__name__}; load the base with "
            "AutoModelForCausalLM.from_pretrained first."
        )
    require_name(folder, "an adapter's folder", "give the folder where a held model or its trainer saved the adapter")
    mask = _mask_beside(Path(folder))
    require_base("the mask beside the adapter", mask, base, check_base=check_base)
    model = PeftModel.from_pretrained(base, str(folder), is_trainable=is_trainable)
    protect_lora(model, mask, check_base=False)
    return model


def _mask_beside(folder: Path) -> Mask:
    """Loads the mask beside a saved adapter.

    Raises:
        ValueError: the folder has no adapter, or the adapter was not saved under a hold.
    """
    if not (folder / "adapter_config.json").is_file():
        what = "is no adapter folder: it has no adapter_config.json" if folder.is_dir() else "does not exist"
        raise ValueError(f"{str(folder)!r} {what}; give the folder where a held model or its trainer saved an adapter.")
    if not (folder / MASK_FILE).is_file():
        raise ValueError(
            f"the adapter in {str(folder)!r} has no {MASK_FILE} beside it, so it was not saved under a hold; load it "
            "with peft.PeftModel.from_pretrained, and hold it with protect_lora(model, mask)."
        )
    return load_mask(folder / MASK_FILE)


def _require_base(model: PeftModel, mask: Mask, *, check_base: bool) -> None:
    """Raises ValueError when the mask was made for another base.

    The mask of the model's own hold is not checked again. A merge may have changed the base since.
    """
    hold = held_by(model)
    if hold is None or hold.mask.base != mask.base or not hold.mask.equals(mask):
        require_base("the mask", mask, model, base_parameters(model), check_base=check_base)


def _hold_saves(model: PeftModel, hold: LoraProtection) -> None:
    """Makes every save of the model's adapter write the hold's mask beside it."""
    model.hold = hold  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
    model.__class__ = type(f"Held{type(model).__name__}", (HeldAdapter, type(model)), {})
