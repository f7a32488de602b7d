"""Is a model the one that a mask or a patch was made for? One hash of all its weights tells, by their float32 bits.

Every function that takes a model and a mask, or a patch, asks here before it changes anything, unless it is called with
`check_base=False`. The hash reads every weight once: seconds for a billion weights. In a loop over draws or masks of
one model check the first, or compare `mask.base` with `load_model(...).base`, and leave the others out.
"""

from collections.abc import Mapping

from torch import nn

from holdfast.models.fingerprints import fingerprint_of


def require_base(what: str, made_for: str, parameters: Mapping[str, nn.Parameter], *, check_base: bool = True) -> None:
    """Raises ValueError when something was made for another model than the one that has these parameters.

    A model with quantised weights has no bits to compare, and is taken as it is.

    Args:
        what: what was made, as a sentence begins: 'the mask'.
        made_for: fingerprint of the model that it was made for.
        parameters: the model's, by their names in the base model.
        check_base: False leaves the check out.
    """
    if not check_base or not all(weight.is_floating_point() for weight in parameters.values()):
        return
    base = fingerprint_of(parameters)
    if made_for != base:
        dtype = next(iter(parameters.values())).dtype
        raise ValueError(
            f"{what} was made for another model (fingerprint {made_for[:12]}, this one, in {dtype}, has {base[:12]}); "
            "give the checkpoint that it was made for, in the dtype of its files or a wider one, make it again for "
            "this one, or pass check_base=False to take it all the same."
        )
