"""`holdfast adapt`."""

from pathlib import Path

from holdfast.commands.console import Json, show_known, shown_progress
from holdfast.commands.once import ExistOk, Once
from holdfast.commands.parameters import Adapt, Method, Preserve, Safety
from holdfast.commands.tuned import check_mask, training_numbers
from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import AdaptOptions
from holdfast.intervene.train.methods import Method as MethodRow
from holdfast.intervene.train.methods import idle_safety, method_for, missing_safety, refuse_idle, usual_method
from holdfast.pipeline.options import SafetyFiles
from holdfast.prompts.readable import require_readable

USUAL = {"spa": "SPA", "plain": "Plain fine-tuning"}
"""Headings of the results of the default methods."""


def adapt(
    model: str,
    *,
    task: str,
    out: Path,
    mask: Path | None = None,
    method: Method = None,
    options: Adapt = AdaptOptions(),
    method_options: Preserve = MethodOptions(),
    safety: Safety = SafetyFiles(),
    exist_ok: ExistOk = False,
    json: Json = False,
) -> None:
    """SPA: fine-tune on a task and hold a mask's weights bit for bit, or by another method.

    Exit codes: 0: done. 1: a held weight moved. 2: any other error, explained in one sentence. 75: another process of
    the run was lost. 130 or 143: stopped.

    Example: holdfast adapt testbed:aligned --mask mask.safetensors --task testbed:task_train --learning-rate 3e-4
    --out adapted

    Parameters
    ----------
    model
        The model that the mask was made for: a folder, a hub id or testbed:NAME.
    task
        A file or testbed:NAME. A row has prompt and answer, prompt and completion, or messages: one user turn, one
        assistant turn, no system turn.
    out
        Folder for the checkpoint and checks. The same command resumes after a stop.
    mask
        File that `holdfast select` wrote. Without one: plain fine-tuning, a control.
    json
        Print one JSON object in place of tables.
    """
    once = Once(exist_ok, "adapt", out / "result.json", out, locals())
    if once.says_done(json):
        return
    chosen = method_for(method or usual_method("adapt", mask), mask)
    refuse_idle(chosen, method_options)
    _check_safety(chosen, safety)
    check_mask(mask)
    require_readable(task, responses="responses")
    from holdfast.pipeline import tuning

    with shown_progress() as progress:
        inputs = {"method": chosen.name, "method_options": method_options, "safety": safety}
        done = tuning.adapt_model(model, mask, task, out, options=options, progress=progress, **inputs)
    held = {"entries_protected": done.entries_protected, "protected_identical": done.protected_identical}
    result = {
        "out": str(out),
        **({} if chosen.name in USUAL else {"method": chosen.name}),
        **(held if chosen.needs_mask else {}),
        "safety_read": done.safety_read,
        "safety_given": done.safety_given,
        **training_numbers(done, options.iterations),
    }
    once.record()
    show_known(USUAL.get(chosen.name, "Fine-tuning"), result, json)


def _check_safety(method: MethodRow, files: SafetyFiles) -> None:
    """Raises ValueError for missing or surplus safety data, before libraries are loaded, which takes seconds."""
    if method.safety and files.safety is None:
        raise ValueError(missing_safety(method, "--safety FILE"))
    for option, given in (("--safety", files.safety), ("--held-out", files.held_out)):
        if given and not method.safety:
            raise ValueError(idle_safety(method, option))
    require_readable(files.safety, responses="refusals" if method.safety == "given" else None)
    require_readable(*files.held_out)
