"""Names of settings in other trainers and usual guesses, with ours: an error suggests ours for one of theirs."""

from collections.abc import Iterable

USUAL: dict[str, tuple[str, ...]] = {
    "lr": ("learning_rate",),
    "bs": ("batch_size",),
    "batch": ("batch_size",),
    "per_device_train_batch_size": ("micro_batch_size",),
    "steps": ("iterations", "every"),
    "max_steps": ("iterations",),
    "num_steps": ("iterations",),
    "epochs": ("iterations",),
    "num_epochs": ("iterations",),
    "num_train_epochs": ("iterations",),
    "eval_steps": ("every",),
    "save_steps": ("checkpoint_every",),
    "max_tokens": ("max_new_tokens",),
    "max_length": ("max_new_tokens",),
    "wd": ("weight_decay",),
    "temp": ("temperature",),
    "r": ("rank",),
    "lora_r": ("rank",),
    "lora_rank": ("rank",),
    "lora_alpha": ("alpha",),
    "target_modules": ("targets",),
    "task": ("exchanges",),
    "data": ("exchanges", "task", "prompts"),
    "dataset": ("exchanges", "task", "prompts"),
    "train_dataset": ("exchanges", "task"),
    "examples": ("exchanges", "task", "prompts"),
    "refusals": ("safety", "prompts"),
    "prompts": ("refusals", "harmful", "positive", "exchanges"),
    "harmful": ("prompts", "refusals"),
    "benign": ("harmless",),
    "model": ("loaded",),
    "base_model": ("base",),
    "reference": ("base",),
    "original": ("base",),
    "config": ("options",),
    "output": ("out", "output_dir", "response"),
    "output_dir": ("out",),
    "out": ("output_dir",),
    "method": ("selector",),
    "html": ("out",),
    "answer": ("response",),
    "completion": ("response",),
    "question": ("prompt",),
    "instruction": ("prompt",),
    "density": ("fraction",),
    "sparsity": ("fraction",),
    "share": ("fraction",),
    "strength": ("coefficient",),
    "threshold": ("stop_above",),
}
"""Our names for each usual one, the likeliest first. The first one that a command or a function knows is meant."""

EPOCHS = ("epochs", "num_epochs", "num_train_epochs")
"""Usual names that count passes over the data, where ours counts steps."""


def usual(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that a usual one means, such as --learning-rate for --lr. None without one.

    Known names may be options of a command: with leading hyphens, or in a group as --generate.max-new-tokens.
    """
    by_plain_name = {_plain(one): one for one in reversed(list(known))}
    return next((by_plain_name[ours] for ours in USUAL.get(_plain(name), ()) if ours in by_plain_name), None)


def conversion(name: str) -> str:
    """Returns a formula in brackets where the usual name counts something else than ours. Empty for other names."""
    return " (steps = epochs x rows / batch size)" if _plain(name) in EPOCHS else ""


def _plain(name: str) -> str:
    return name.lstrip("-").rpartition(".")[2].replace("-", "_")
