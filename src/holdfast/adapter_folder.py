"""A folder with a PEFT adapter: whether it is held, and how it becomes a checkpoint. Needs no torch."""

from pathlib import Path

MASK_FILE = "holdfast_mask.safetensors"
"""Beside an adapter: the entries that it must not move."""


def how_to_merge(folder: Path) -> str:
    """The clause of a sentence that says how to merge the adapter; of a held one, only by what keeps the hold."""
    if (folder / MASK_FILE).is_file():
        return (
            f"its weights are held ({MASK_FILE}), and PEFT's own merge would move them: load it with "
            "`holdfast.load_protected(base, folder)`, merge it with `holdfast.merge_protected(model)`"
        )
    return "merge it into its base (PEFT's `merge_and_unload`, or `merge_protected` to hold weights)"
