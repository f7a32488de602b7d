"""Folders with a PEFT adapter: the name of the mask beside it, and advice on merging it. Needs no torch."""

from pathlib import Path

MASK_FILE = "holdfast_mask.safetensors"
"""Name of the mask file beside an adapter. The mask selects the entries that the adapter must not move."""


def how_to_merge(folder: Path) -> str:
    """Clause of a sentence that says how to merge the adapter. For a held adapter it names only ways that hold."""
    if (folder / MASK_FILE).is_file():
        return (
            f"its weights are held ({MASK_FILE}), and PEFT's own merge would move them: load it with "
            "`holdfast.load_protected(base, folder)`, merge it with `holdfast.merge_protected(model)`"
        )
    return "merge it into its base (PEFT's `merge_and_unload`, or `merge_protected` to hold weights)"
