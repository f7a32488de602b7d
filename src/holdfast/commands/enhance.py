"""`holdfast enhance`."""

from pathlib import Path

from holdfast.commands.console import Json, show_known, shown_progress
from holdfast.commands.parameters import Enhance
from holdfast.intervene.options import EnhanceOptions
from holdfast.pipeline.outputs import refuse_existing


def enhance(
    model: str,
    *,
    refusals: str,
    harmless: str,
    out: Path,
    mask: Path | None = None,
    options: Enhance = EnhanceOptions(),
    json: Json = False,
) -> None:
    """SET: train only a mask's weights to refuse what should be refused; everything else keeps every bit.

    Example: holdfast enhance testbed:unaligned --mask mask.safetensors --refusals testbed:refusals
    --harmless testbed:harmless_exchanges --learning-rate 3e-3 --out enhanced

    Parameters
    ----------
    model
        The model that the mask was made for.
    refusals
        Harmful prompts with safe responses: a file, testbed:NAME, or a name of `holdfast prompts list`.
    harmless
        Harmless prompts with helpful responses; without them a model learns to refuse everything.
    out
        Folder for the checkpoint, the patch and what was checked: a new one, or that of a run of the same settings that
        was stopped, which goes on from its last whole checkpoint.
    mask
        File that `holdfast select` wrote. Without one the whole model is tuned, as a control.
    json
        Print one JSON object.
    """
    refuse_existing(out / "result.json")
    from holdfast.pipeline import steps

    with shown_progress() as progress:
        done = steps.enhance_model(model, mask, refusals, harmless, out, options=options, progress=progress)
    result = {
        "out": str(out),
        "entries_trained": done.entries_trained,
        "share_trained": done.share_trained,
        "untouched_identical": done.untouched_identical,
        "entries_changed": done.entries_changed,
        "routing_drift": done.routing_drift,
        "first_loss": done.losses[0] if len(done.losses) == options.iterations else None,  # else of a step on the way
        "last_loss": done.losses[-1] if done.losses else None,
        "saved_loss": done.saved_loss,
    }
    show_known("SET" if mask else "Tuning of all weights", result, json)
