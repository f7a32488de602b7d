"""`holdfast patch inspect | apply | revert | diff | merge`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.commands.console import Json, show, shown_progress, table, warn
from holdfast.commands.help_page import new_app
from holdfast.commands.layers import layer_table
from holdfast.commands.words import facts
from holdfast.endings import require_ending
from holdfast.intervene.options import Prefer
from holdfast.made_by import summary, tuned_entry
from holdfast.printable import printable

if TYPE_CHECKING:
    from holdfast.intervene.patch.patch_files import PatchFile

patch = new_app("patch", "Inspect, apply, revert, make and merge patches: small reversible changes.")


@patch.command
def inspect(patch: Path, *, json: Json = False) -> None:
    """Show what a patch changes: how many weights, in which layers, by how much, and how the patch was made.

    Example: holdfast patch inspect enhanced/patch.safetensors

    Parameters
    ----------
    patch
        File of a patch, from `holdfast enhance`, `patch diff` or `patch merge`.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.intervene.patch.patch_files import open_patch
    from holdfast.pipeline import patching
    from holdfast.report.page import plain_rows

    opened = open_patch(patch)
    change = patching.largest_change(opened)
    changes = patching.changes_by_layer(opened)
    components = [{"layer": part.layer, "component": part.component, "entries": part.chosen} for part in changes.parts]
    tuned = tuned_entry(opened.made_by)
    result = {
        **_summary(opened),
        "bytes_per_entry": opened.path.stat().st_size / len(opened),
        "base": opened.base,
        "tuned": tuned,
        "made_by": dict(opened.made_by),
        "old_hash": opened.old_hash,
        "largest_change": change and asdict(change),
        "by_component": components,
    }
    shown = {name: result[name] for name in (*_summary(opened), "bytes_per_entry", "base", "old_hash")}
    largest = dict(plain_rows({"largest_change": result["largest_change"]}))
    leads_to = {f"tuned.{name}": text for name, text in tuned.items()}
    made_by = {f"made by.{name}": text for name, text in summary(opened.made_by).items()}
    rows = facts(shown | leads_to | largest | made_by)
    show(result, [layer_table(patching.patch_title(changes), changes), table("Patch", ("what", "value"), rows)], json)


@patch.command
def apply(base: str, patch: Path, *, out: Path, json: Json = False) -> None:
    """Write a checkpoint with a patch applied, shard by shard, without loading the model.

    Exit codes: 0: written, with the fingerprint that the patch records, if it records one. 1: the result has another
    fingerprint, and nothing is written. 2: any other error, explained in one sentence.

    Example: holdfast patch apply testbed:unaligned enhanced/patch.safetensors --out patched

    Parameters
    ----------
    base
        The checkpoint that the patch was made from: a folder, a hub id or testbed:NAME.
    patch
        File of the patch.
    out
        New folder for the checkpoint.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.pipeline import patching

    with shown_progress() as progress:
        opened = patching.apply_to_folder(base, patch, out, progress)
    known = tuned_entry(opened.made_by).get("fingerprint")
    proven = f", with the fingerprint {known[:12]} that the patch records: every bit is as tuned" if known else ""
    _show_written(opened, out, json, note=f"Patched checkpoint: {out}{proven}", fingerprint=known)


@patch.command
def revert(tuned: str, patch: Path, *, out: Path, base: str | None = None, json: Json = False) -> None:
    """Take a patch off a checkpoint: writes the checkpoint before the patch and checks every bit.

    Exit codes: 0: written, and every bit equals the base's. 1: the checkpoint was changed outside the patch, and
    nothing is written. 2: any other error, explained in one sentence.

    Example: holdfast patch revert patched enhanced/patch.safetensors --out base

    Parameters
    ----------
    tuned
        The patched checkpoint: a folder, a hub id or testbed:NAME.
    patch
        File of the patch.
    out
        New folder for the checkpoint.
    base
        The checkpoint that the patch was made from. Needed if the patch keeps no old values.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.pipeline import patching

    with shown_progress() as progress:
        opened = patching.revert_to_folder(tuned, patch, out, base=base, progress=progress)
    proven = f"with the base's fingerprint {opened.base[:12]}: every bit is back"
    _show_written(opened, out, json, note=f"Base checkpoint: {out}, {proven}", fingerprint=opened.base)


@patch.command
def diff(base: str, tuned: str, *, out: Path, old_values: bool = True, json: Json = False) -> None:
    """Make the patch that turns one checkpoint into another, bit for bit.

    A patch holds weights only. `diff` warns of other files that differ, such as generation_config.json or the chat
    template, and of a patch that is larger than the checkpoint.

    Example: holdfast patch diff testbed:unaligned enhanced/model --out patch.safetensors

    Parameters
    ----------
    base
        The checkpoint to start from: a folder, a hub id or testbed:NAME.
    tuned
        The checkpoint that the patch leads to, of the same architecture and dtype.
    out
        File for the patch.
    old_values
        Keep the base's values too, so that the patch reverts without the base: 8 bytes per weight, not 6.
    json
        Print one JSON object in place of tables.
    """
    require_ending(out, ".safetensors")
    from holdfast.pipeline import patching

    with shown_progress() as progress:
        made = patching.diff_to_file(base, tuned, out, keep_old=old_values, progress=progress)
    files, lacks = patching.what_a_patch_lacks(base, tuned, made)
    for sentence in lacks:
        warn(printable(sentence))
    _show_written(made, out, json, note=f"Patch: {out}", other_files=files)


@patch.command
def merge(*patches: Path, out: Path, prefer: Prefer | None = None, json: Json = False) -> None:
    """Join patches of one base.

    Example: holdfast patch merge first.safetensors second.safetensors --out both.safetensors

    Parameters
    ----------
    patches
        Two or more patches of one base.
    out
        File for the patch.
    prefer
        Patch that wins where two set a weight to different values. Left out, such a conflict is refused.
    json
        Print one JSON object in place of tables.
    """
    require_ending(out, ".safetensors")
    from holdfast.pipeline import patching

    with shown_progress() as progress:
        made, conflicts = patching.merge_to_file(patches, out, prefer=prefer, progress=progress)
    result = _summary(made) | {"out": str(out), "conflicts": sum(conflicts.values()), "conflicts_by_tensor": conflicts}
    rows = sorted(conflicts.items(), key=lambda item: -item[1])
    tables = [table(f"{sum(conflicts.values())} conflicts", ("parameter", "entries"), rows)] if rows else []
    show(result, [_table(made), *tables], json, note=f"Patch: {out}")


def _summary(opened: "PatchFile") -> dict[str, object]:
    return {
        "patch": str(opened.path),
        "entries": len(opened),
        "tensors": len(opened.parts),
        "bytes": opened.path.stat().st_size,
        "reversible": opened.reversible,
    }


def _table(opened: "PatchFile"):
    return table("Patch", ("what", "value"), facts(_summary(opened)))


def _show_written(opened: "PatchFile", out: Path, json: bool, note: str, **proven: object) -> None:
    show(_summary(opened) | {"out": str(out)} | proven, [_table(opened)], json, note)
