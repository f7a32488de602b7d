"""Prints what an edit along a direction changed, and how constant its shift is."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.commands.after_change import next_commands
from holdfast.commands.console import facts, show, table, warn

if TYPE_CHECKING:
    from rich.table import Table

    from holdfast.pipeline.direction_editing import DirectionEdit, Evenness

UNEVEN = 0.25
"""Share of tokens with less than half of the shift, from which on a warning appears."""


def show_strengthened(made: "DirectionEdit", out: Path, json: bool) -> None:
    """Prints the edit, and the shift by token where it varies."""
    edit = {"out": str(out), "form": made.form, "parameter": made.parameter, "entries_changed": len(made.patch)}
    tables = [table("Edit", ("what", "value"), facts(edit))]
    result = edit | {"evenness": asdict(made.evenness) if made.evenness else None}
    if made.evenness:
        tables.append(_evenness_table(made.evenness))
    note = "\n".join(filter(None, [f"Patch: {out / 'patch.safetensors'}", next_commands(out)]))
    show(result, tables, json, note=note)
    if made.evenness:
        _warn_of_unevenness(made.evenness)


def _evenness_table(evenness: "Evenness") -> "Table":
    parts = {
        "that made it": evenness.made_on,
        f"of {evenness.num_held_out} prompts left out": evenness.prompts,
        "of the responses to them": evenness.responses,
    }
    rows = [
        (name, part.tokens, f"{part.mean:.2f}", f"{part.variation:.2f}", f"{part.below_half:.2f}")
        for name, part in parts.items()
        if part
    ]
    header = ("tokens", "number", "mean", "deviation / mean", "share below half")
    return table("Shift along the direction (steering: 1 at every token)", header, rows)


def _warn_of_unevenness(evenness: "Evenness") -> None:
    parts = {"prompts left out": evenness.prompts, "responses to prompts left out": evenness.responses}
    for name, part in parts.items():
        if part and part.below_half >= UNEVEN:
            warn(
                f"{part.below_half:.0%} of the tokens of {name} move by less than half of what was asked, so the edit "
                "does not stand for steering; give more prompts of the kinds that the model will read."
            )
