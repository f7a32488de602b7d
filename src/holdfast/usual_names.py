"""Names of settings in other trainers and their abbreviations, with ours: an error suggests ours for one of theirs."""

from collections.abc import Iterable

USUAL = {
    "lr": "learning_rate",
    "bs": "batch_size",
    "batch": "batch_size",
    "per_device_train_batch_size": "micro_batch_size",
    "steps": "iterations",
    "max_steps": "iterations",
    "num_steps": "iterations",
    "epochs": "iterations",
    "num_epochs": "iterations",
    "num_train_epochs": "iterations",
    "max_tokens": "max_new_tokens",
    "max_length": "max_new_tokens",
    "wd": "weight_decay",
    "temp": "temperature",
}
"""Our name of each usual one."""


def usual(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that a usual one means, such as --learning-rate for --lr. None without one.

    Known names may be options of a command: with leading hyphens, or in a group as --generate.max-new-tokens.
    """
    meant = USUAL.get(_plain(name))
    return None if meant is None else next((one for one in known if _plain(one) == meant), None)


def _plain(name: str) -> str:
    return name.lstrip("-").rpartition(".")[2].replace("-", "_")
