"""Checks what a script gives as a model. Imports nothing of transformers, of which trainers may have older versions."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from torch import nn

from holdfast.built_in import given_name

if TYPE_CHECKING:
    from holdfast.models.load import LoadedModel

Module = TypeVar("Module", bound=nn.Module)


def module_of(given: "Module | LoadedModel") -> Module:
    """Returns the model of a LoadedModel, and a module unchanged. Raises ValueError for anything else."""
    if not isinstance(given, nn.Module):
        from holdfast.models.load import LoadedModel

        if isinstance(given, LoadedModel):
            return cast(Module, given.model)
    require_module(given)
    return cast(Module, given)


def stored_name(model: nn.Module) -> str | None:
    """Returns the name or folder that transformers loaded a model from. None for a model that was made in memory."""
    name = getattr(getattr(model, "config", None), "name_or_path", None)
    return name if name != "None" and name else None  # transformers writes "None" for a model made of a config alone


def model_words(model: nn.Module) -> str:
    """Names a model in an error: by the name or folder that it was loaded from, with its class."""
    kind, name = type(model).__name__, stored_name(model)
    return f"{given_name(name)!r} ({kind})" if name else f"this {kind}"


def require_module(given: object) -> None:
    """Raises ValueError if the object is no torch module, such as the name of a model."""
    if not isinstance(given, nn.Module):
        remedy = "what holdfast.load_model returns, or the model itself"
        if isinstance(given, str | Path):
            remedy = f"load_model({str(given)!r}), or the model itself"
        raise ValueError(f"a model was expected, got {type(given).__name__}; give {remedy}.")
