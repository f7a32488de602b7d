"""Checks what a script gives as a model. Imports nothing of transformers, of which trainers may have older versions."""

from torch import nn


def require_module(given: object) -> None:
    """Raises ValueError if the object is no torch module, such as a LoadedModel."""
    if not isinstance(given, nn.Module):
        raise ValueError(
            f"a model was expected, got {type(given).__name__}; give the model itself, such as loaded.model of what "
            "holdfast.load_model returns."
        )
