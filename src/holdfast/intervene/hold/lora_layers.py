"""Chooses the LoRA adapters that a mask's hold covers, and refuses those that cannot be held."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from peft import PeftModel
from peft.tuners.lora.layer import LoraLayer, MultiheadAttention, ParamWrapper
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper, ModulesToSaveWrapper
from torch import nn

from holdfast.intervene.entries import Entries, find_entries, refuse_misfit
from holdfast.models.given import model_words
from holdfast.values import Mask

PLAIN_STARTS = (True, False, "gaussian", "eva")
"""Values of `init_lora_weights` that leave the base weights as they are."""


def layers_to_hold(model: PeftModel, mask: Mask) -> dict[str, LoraLayer]:
    """Finds the adapters to hold for a mask, by the names of the parameters that they adapt.

    Raises:
        ValueError: there is none, one can't be held, or the mask was made for another model, as in `protect_lora`.
    """
    parameters = base_parameters(model)
    shapes = _readable_shapes(parameters, mask)
    refuse_misfit(parameters, model_words(model.get_base_model()), shapes, mask.made_by)
    _refuse_wrapped(model, mask)
    _refuse_other_starts(model)
    layers = {name: _linear_lora(name, layer, mask.shapes[name]) for name, layer in adapters_of(model, mask).items()}
    if not layers:
        raise ValueError(
            "no adapter changes a matrix that the mask selects from, so there is nothing to protect; leave the mask "
            "out, or give the adapters other target_modules."
        )
    return layers


def trained_whole(model: PeftModel) -> list[str]:
    """Lists the modules that `modules_to_save` trains beside the adapters. No mask's hold covers them."""
    named = model.get_base_model().named_modules()
    return [path for path, module in named if isinstance(module, ModulesToSaveWrapper)]


def base_parameters(model: PeftModel) -> dict[str, nn.Parameter]:
    """Finds the parameters of the base model, by their names in the model without adapters."""
    by_identity: dict[int, tuple[str, nn.Parameter]] = {}
    for name, weight in _parameters_below(model.get_base_model(), ""):
        by_identity.setdefault(id(weight), (name, weight))  # keeps the first name of a tied parameter
    return dict(by_identity.values())


def _parameters_below(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Parameter]]:
    if isinstance(module, BaseTunerLayer):
        yield from _parameters_below(module.get_base_layer(), path)
    elif isinstance(module, AuxiliaryTrainingWrapper):
        yield from _parameters_below(module.original_module, path)
    else:
        yield from ((f"{path}{name}", weight) for name, weight in module.named_parameters(recurse=False))
        for name, child in module.named_children():
            yield from _parameters_below(child, f"{path}{name}.")


def adapters_of(model: PeftModel, mask: Mask) -> dict[str, BaseTunerLayer]:
    """Finds the adapter of every masked parameter that has one, by the parameter's name in the base model."""
    base = model.get_base_model()
    adapted = {}
    for name in mask.indices:
        path, _, word = name.rpartition(".")
        with suppress(AttributeError):  # `find_entries` raises ValueError for a name that the model lacks
            owner: nn.Module = base.get_submodule(path)
            while isinstance(owner, ParamWrapper) and owner.parameter_name != word:
                owner = owner.base_layer
            if isinstance(owner, BaseTunerLayer):
                adapted[name] = owner
    return adapted


def base_entries(model: PeftModel, mask: Mask) -> list[Entries]:
    """Finds the masked entries of the base's floating-point parameters, with or without an adapter."""
    parameters = base_parameters(model)
    shapes = _readable_shapes(parameters, mask)
    readable = {name: index for name, index in mask.indices.items() if name in shapes}
    base = model_words(model.get_base_model())
    entries = find_entries(parameters, base, readable, shapes, mask.made_by) if readable else []
    if trained := [entry.name for entry in entries if entry.weight.requires_grad]:
        raise ValueError(
            f"{trained[0]} is trained directly and not only by an adapter, so protect_lora can't hold it; "
            "freeze the base model's weights."
        )
    return entries


def _readable_shapes(parameters: Mapping[str, nn.Parameter], mask: Mask) -> dict[str, tuple[int, ...]]:
    """Returns the mask's shapes without quantised parameters, which have no entries of that shape to read."""
    names = [name for name in mask.shapes if name not in parameters or parameters[name].is_floating_point()]
    return {name: mask.shapes[name] for name in names}


def _linear_lora(name: str, layer: BaseTunerLayer, shape: tuple[int, ...]) -> LoraLayer:
    """Returns the layer as a LoraLayer. Raises ValueError when it can't be held or does not fit the mask."""
    reason = _why_not(layer)
    if reason or not isinstance(layer, LoraLayer):
        raise ValueError(
            f"the adapter of {name} can't be held: {reason}; use plain LoRA on linear layers, or leave it out."
        )
    outputs, inputs = shape[::-1] if getattr(layer, "fan_in_fan_out", False) else shape
    if (layer.out_features, layer.in_features) != (outputs, inputs):
        raise ValueError(
            f"the mask was made for another model: {name} is {shape} in the mask and has {layer.in_features} inputs "
            f"and {layer.out_features} outputs here; give the model that the mask was made for."
        )
    return layer


def _why_not(layer: BaseTunerLayer) -> str | None:
    if isinstance(layer, ParamWrapper):
        return "it adapts experts that are stored as one tensor (target_parameters)"
    if not isinstance(layer, LoraLayer) or isinstance(layer, MultiheadAttention):
        return f"PEFT's {type(layer).__name__} is not LoRA on a linear layer"
    if not layer.lora_A or not all(isinstance(factor, nn.Linear) for factor in layer.lora_A.values()):
        return f"PEFT's {type(layer).__name__} is not LoRA on a linear layer"
    if layer.lora_variant:
        return f"{type(next(iter(layer.lora_variant.values()))).__name__} adds something other than s B A"
    return "lora_bias adds more than s B A" if any(layer.lora_bias.values()) else None


def _refuse_wrapped(model: PeftModel, mask: Mask) -> None:
    for path, module in model.get_base_model().named_modules():
        inside = [name for name in mask.indices if name.startswith(f"{path}.")]
        if isinstance(module, AuxiliaryTrainingWrapper) and inside:
            raise ValueError(
                f"{inside[0]} is trained as a whole (modules_to_save), so protect_lora can't hold it; take it out of "
                "modules_to_save."
            )


def _refuse_other_starts(model: PeftModel) -> None:
    for config in model.peft_config.values():
        start = getattr(config, "init_lora_weights", True)
        if start not in PLAIN_STARTS:
            raise ValueError(
                f"init_lora_weights={start!r} changes the base's weights before training, so the values to hold are "
                f"lost; use one of {', '.join(map(repr, PLAIN_STARTS))}."
            )
