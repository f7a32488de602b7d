"""`holdfast adapt`."""

from pathlib import Path

from holdfast.commands.console import Json, show_known, shown_progress
from holdfast.commands.once import ExistOk, Once
from holdfast.commands.parameters import Adapt
from holdfast.commands.tuned import check_mask, training_numbers
from holdfast.intervene.options import AdaptOptions


def adapt(
    model: str,
    *,
    task: str,
    out: Path,
    mask: Path | None = None,
    options: Adapt = AdaptOptions(),
    exist_ok: ExistOk = False,
    json: Json = False,
) -> None:
    """SPA: fine-tune on a task and hold a mask's weights bit for bit.

    Exit codes: 0: done. 1: a held weight moved. 2: any other error, explained in one sentence. 130 or 143: stopped.

    Example: holdfast adapt testbed:aligned --mask mask.safetensors --task testbed:task_train --learning-rate 5e-4
    --out adapted

    Parameters
    ----------
    model
        The model that the mask was made for: a folder, a hub id or testbed:NAME.
    task
        Examples of the task, each a prompt and its response: a file or testbed:NAME.
    out
        Folder for the checkpoint and the checks. Run the command again with the same folder to resume after a stop.
    mask
        File that `holdfast select` wrote. Without a mask no weight is held: that is plain fine-tuning, a control.
    json
        Print one JSON object in place of tables.
    """
    once = Once(exist_ok, "adapt", out / "result.json", out, locals())
    if once.says_done(json):
        return
    check_mask(mask)
    from holdfast.pipeline import tuning

    with shown_progress() as progress:
        done = tuning.adapt_model(model, mask, task, out, options=options, progress=progress)
    held = {"entries_protected": done.entries_protected, "protected_identical": done.protected_identical}
    result = {
        "out": str(out),
        **(held if mask else {}),
        **training_numbers(done, options.iterations),
    }
    once.record()
    show_known("SPA" if mask else "Plain fine-tuning", result, json)
