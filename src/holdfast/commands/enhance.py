"""`holdfast enhance`."""

from pathlib import Path

from holdfast.commands.console import Json, show_known, shown_progress
from holdfast.commands.parameters import Enhance
from holdfast.intervene.options import EnhanceOptions
from holdfast.pipeline.outputs import refuse_existing
from holdfast.wrong_files import require_kind


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
    """SET: train only a mask's weights, so that the model refuses harmful requests. All others keep every bit.

    Exit codes: 0: done. 1: a weight outside the mask moved. 2: any other error, explained in one sentence. 130 or 143:
    stopped.

    Example: holdfast enhance testbed:unaligned --mask mask.safetensors --refusals testbed:refusals
    --harmless testbed:harmless_exchanges --learning-rate 3e-3 --out enhanced

    Parameters
    ----------
    model
        The model that the mask was made for: a folder, a hub id or testbed:NAME.
    refusals
        Harmful prompts with safe responses: a file, testbed:NAME, or a name of `holdfast prompts list`.
    harmless
        Harmless prompts with helpful responses. Without them a model learns to refuse everything.
    out
        Folder for the checkpoint, the patch and the checks. Run the command again with the same folder to resume after
        a stop.
    mask
        File that `holdfast select` wrote. Without a mask all weights are tuned, as a control.
    json
        Print one JSON object in place of tables.
    """
    refuse_existing(out / "result.json")
    if mask is not None:
        require_kind(mask, "mask")  # checks the file before libraries are loaded, which takes seconds
    from holdfast.pipeline import tuning

    with shown_progress() as progress:
        done = tuning.enhance_model(model, mask, refusals, harmless, out, options=options, progress=progress)
    result = {
        "out": str(out),
        "entries_trained": done.entries_trained,
        "share_trained": done.share_trained,
        "untouched_identical": done.untouched_identical,
        "entries_changed": done.entries_changed,
        "routing_drift": done.routing_drift,
        # A folder of an earlier version keeps no loss of the first step.
        "first_loss": done.losses[0] if len(done.losses) == options.iterations else None,
        "last_loss": done.losses[-1] if done.losses else None,
        "start_loss": done.start_loss,
        "saved_loss": done.saved_loss,
    }
    show_known("SET" if mask else "Tuning of all weights", result, json)
