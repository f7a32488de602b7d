"""Checks that a mask or a patch was made for a model, by one hash over the float32 bits of all its weights.

Every function that takes a model with a mask or a patch runs this check before it changes anything, unless it is called
with `check_base=False`. The hash reads every weight once, which takes seconds for a billion weights. A loop over draws
or masks of one model needs one check: check the first, or compare `mask.base` with `load_model(...).base`.
"""

from collections.abc import Mapping

from torch import nn

from holdfast.models.fingerprints import fingerprint_of


def require_base(what: str, made_for: str, parameters: Mapping[str, nn.Parameter], *, check_base: bool = True) -> None:
    """Raises ValueError when a mask or a patch was made for another model than the one with these parameters.

    A model with quantised weights has no such bits to compare, so it passes unchecked.

    Args:
        what: name of the mask or patch, as the error begins: 'the mask'.
        made_for: fingerprint of the model that it was made for.
        parameters: the model's parameters, by their names in the base model.
        check_base: False skips the check.
    """
    if not check_base or not all(weight.is_floating_point() for weight in parameters.values()):
        return
    base = fingerprint_of(parameters)
    if made_for != base:
        dtype = next(iter(parameters.values())).dtype
        raise ValueError(
            f"{what} was made for another model (fingerprint {made_for[:12]}, this one, in {dtype}, has {base[:12]}); "
            "give the checkpoint that it was made for, in the dtype of its files or a wider one, make it again for "
            "this one, or pass check_base=False to use it anyway."
        )
