"""Checks that a mask or a patch was made for a model, by one hash over the float32 bits of all its weights.

Every function that takes a model with a mask or a patch runs this check before it changes anything, unless it is called
with `check_base=False`. The hash reads every weight once, which takes seconds for a billion weights. A loop over draws
or masks of one model needs one check: check the first, or compare `mask.base` with `load_model(...).base`.
"""

from collections.abc import Mapping
from functools import reduce
from pathlib import Path

import torch
from huggingface_hub import try_to_load_from_cache
from torch import nn

from holdfast.built_in import given_name
from holdfast.made_by import Made, model_name, other_model_words
from holdfast.models.fingerprints import fingerprint_of
from holdfast.models.given import stored_name
from holdfast.models.stored import StoredModel, open_stored, stored_fingerprint


def require_base(
    what: str,
    made: Made,
    model: nn.Module,
    parameters: Mapping[str, nn.Parameter] | None = None,
    *,
    check_base: bool = True,
) -> None:
    """Raises ValueError when a mask, a patch or a direction was made for another model than the given one.

    Where the model's files hold what it was made for, the error says that the weights in memory have changed.

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
    if made.base == base:
        return
    stored_as, dtype = stored_name(model), next(iter(parameters.values())).dtype
    stored, name = _files_of(made, stored_as), stored_as and given_name(stored_as)
    if stored is not None:
        raise ValueError(
            f"{what} was made for {(model_name(made.made_by) or name)!r}, and the weights in memory differ from its "
            f"files: {_changed_words(stored, dtype)}, or pass check_base=False to use them as they are."
        )
    raise ValueError(
        f"{other_model_words(what, made, (name, base))} in {dtype}; give the checkpoint that it was made "
        "for, in the dtype of its files or a wider one, make it again for this one, or pass check_base=False to "
        "use it anyway."
    )


def _files_of(made: Made, name: str | None) -> StoredModel | None:
    """Returns the files that a model was loaded from, if they hold what the mask was made for. Reads every weight.

    None where they hold something else, are not on this machine, or can't be read.
    """
    config = None if name is None or Path(name).is_dir() else try_to_load_from_cache(name, "config.json")
    folder = Path(config).parent if isinstance(config, str) else Path(name or "")
    try:
        stored = open_stored(str(folder))
        return stored if stored_fingerprint(stored) == made.base else None
    except ValueError:
        return None


def _changed_words(stored: StoredModel, dtype: torch.dtype) -> str:
    """Says why weights in memory differ from the files that they were loaded from, and what to do."""
    in_files = reduce(torch.promote_types, {parameter.dtype for parameter in stored.parameters.values()})
    if torch.promote_types(in_files, dtype) != dtype:
        names = dict.fromkeys(str(each).removeprefix("torch.") for each in (in_files, torch.float32))
        return f"loading them as {dtype} rounded them; load the model again as {' or '.join(names)}"
    return "they were changed after loading, by training or an edit; load the model again"
