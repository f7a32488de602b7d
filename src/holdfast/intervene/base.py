"""Checks that a mask or a patch was made for a model, by one hash over the float32 bits of all its weights.

Every function that takes a model with a mask or a patch runs this check before it changes anything, unless it is called
with `check_base=False`. The hash reads every weight once, which takes seconds for a billion weights. A loop over draws
or masks of one model needs one check: check the first, or compare `mask.base` with `load_model(...).base`.
"""

from collections.abc import Mapping

from torch import nn

from holdfast.made_by import Made, other_model_words
from holdfast.models.fingerprints import fingerprint_of


def require_base(
    what: str,
    made: Made,
    model: nn.Module,
    parameters: Mapping[str, nn.Parameter] | None = None,
    *,
    check_base: bool = True,
) -> None:
    """Raises ValueError when a mask, a patch or a direction was made for another model than the given one.

    A model with quantised weights has no such bits to compare, so it passes unchecked.

    Args:
        what: name of the mask or patch, as the error begins: 'the mask'.
        made: the mask, patch or direction, which records its model.
        model: the model, with or without adapters.
        parameters: its parameters by their names in the base model, where adapters give them other names.
        check_base: False skips the check.
    """
    parameters = dict(model.named_parameters()) if parameters is None else parameters
    if not check_base or not all(weight.is_floating_point() for weight in parameters.values()):
        return
    base = fingerprint_of(parameters)
    if made.base != base:
        dtype, given = next(iter(parameters.values())).dtype, (_name_of(model), base)
        raise ValueError(
            f"{other_model_words(what, made, given)} in {dtype}; give the checkpoint that it was made "
            "for, in the dtype of its files or a wider one, make it again for this one, or pass check_base=False to "
            "use it anyway."
        )


def _name_of(model: nn.Module) -> str | None:
    """Returns the name or folder that transformers loaded a model from. None for a model that was made in memory."""
    return getattr(getattr(model, "config", None), "name_or_path", None) or None
