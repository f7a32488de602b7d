"""`holdfast edit`."""

from pathlib import Path

from holdfast.commands.after_change import next_commands
from holdfast.commands.console import Json, show_known, shown_progress
from holdfast.commands.once import ExistOk, Once
from holdfast.commands.tuned import check_mask
from holdfast.intervene.edit.amounts import require_scale


def edit(
    model: str,
    *,
    mask: Path,
    scale: float,
    out: Path,
    exist_ok: ExistOk = False,
    json: Json = False,
) -> None:
    """Scale the neurons of a mask for good: 0 erases them, more than 1 strengthens them. All else keeps every bit.

    Erasing is for what a model should not hold, such as a memorised secret, and edit refuses to weaken a mask that was
    selected for safety. Compare the result with the model before you use it: `holdfast evaluate`, then `compare`.
    `holdfast patch revert` takes the edit off.

    Example: holdfast edit testbed:aligned --mask neurons.safetensors --scale 2 --out edited

    Parameters
    ----------
    model
        The model that the mask was made for: a folder, a hub id or testbed:NAME.
    mask
        File that `holdfast select` wrote: of neurons, whose columns of down_proj are scaled, or of weights.
    scale
        Factor of 0 or more, other than 1.
    out
        New folder for the patch, patch.safetensors, and the checkpoint, model.
    json
        Print one JSON object in place of tables.
    """
    require_scale(scale)
    once = Once(exist_ok, "edit", out / "patch.safetensors", out, locals())
    if once.says_done(json):
        return
    check_mask(mask)
    from holdfast.pipeline.editing import edit_model

    with shown_progress() as progress:
        made = edit_model(model, mask, scale, out, progress)
    once.record()
    result = {"out": str(out), "scale": scale, "entries_changed": len(made), "tensors": len(made.parts)}
    show_known("Edit", result, json, note=next_commands(out))
