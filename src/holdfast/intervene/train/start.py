"""Refuses to train a model that differs from its mask's model or from the checkpoint it was loaded from."""

from holdfast.artifacts import refuse_other_base
from holdfast.models.fingerprints import fingerprint
from holdfast.models.load import LoadedModel
from holdfast.values import Mask


def refuse_wrong_start(
    loaded: LoadedModel, mask: Mask | None, *, check_base: bool = True, just_loaded: bool = False
) -> None:
    """Raises ValueError for a mask of another model, or a model that has changed since it was loaded.

    `check_base=False` accepts a mask of another model. A `just_loaded` model is not hashed again.
    """
    if mask is not None and check_base:
        refuse_other_base("the mask", mask, loaded.base, loaded.name)
    if not just_loaded and fingerprint(loaded.model) != loaded.base:
        raise ValueError(f"the weights of {loaded.name!r} were changed after loading; load the model again to tune it.")
