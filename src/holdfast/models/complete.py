"""Checks that a checkpoint's files hold exactly the weights that its config asks for."""

from collections.abc import Iterable

from holdfast.counts import counted

WRAPPERS = {
    "_orig_mod.": ("torch.compile", "model._orig_mod"),
    "module.": ("DataParallel or DistributedDataParallel", "model.module"),
}
"""Wrappers, by the prefix that they put before the names of weights. Each has its name and the path of the model
inside."""


def refuse_incomplete(name: str, notes: dict) -> None:
    """Raises ValueError if the weights in a checkpoint's files are not those that its config asks for.

    `notes` is the loading report that transformers returns.
    """
    if mismatched := sorted(notes.get("mismatched_keys", ())):
        weight, stored, wanted = mismatched[0]
        raise ValueError(
            f"model {name!r} does not fit its config.json: {weight} is {list(stored)} in the checkpoint and "
            f"{list(wanted)} in the config, as are {len(mismatched) - 1} more; save or download it again."
        )
    _refuse_wrapped(name, notes.get("unexpected_keys", ()))
    if missing := sorted(notes["missing_keys"]):
        raise ValueError(
            f"model {name!r} lacks {counted(len(missing), 'weight')} that its config.json asks for, the first is "
            f"{missing[0]}; the checkpoint is incomplete, save or download it again."
        )
    # transformers has already left out the weights that an architecture is known to ignore.
    if unused := sorted(notes["unexpected_keys"]):
        raise ValueError(
            f"model {name!r} has {len(unused)} weights that its config.json does not ask for, the first is "
            f"{unused[0]}; correct the config (num_hidden_layers and the like), save or download it again."
        )


def _refuse_wrapped(name: str, unexpected: Iterable[str]) -> None:
    """Raises ValueError if the names of all weights show that the model was saved inside a wrapper."""
    names = list(unexpected)
    for prefix, (wrapper, inside) in WRAPPERS.items():
        if names and all(weight.startswith(prefix) for weight in names):
            raise ValueError(
                f"model {name!r} was saved inside of {wrapper}: its weights' names begin with {prefix!r}; save the "
                f"model inside it with `{inside}.save_pretrained(FOLDER)`."
            )
