"""`holdfast enhance`."""

import logging
from pathlib import Path
from shlex import quote

from holdfast.commands.after_change import next_commands
from holdfast.commands.console import Json, show_known, shown_progress
from holdfast.commands.once import ExistOk, Once
from holdfast.commands.parameters import Combine, Enhance, EnhanceMethod
from holdfast.commands.tuned import check_mask, training_numbers
from holdfast.intervene.method_options import CombineOptions, MethodOptions
from holdfast.intervene.options import EnhanceOptions
from holdfast.intervene.train.methods import method_for, refuse_idle, usual_method
from holdfast.pipeline.options import EnhanceFiles
from holdfast.prompts.readable import require_readable

logger = logging.getLogger(__name__)

BORDERLINE = "Over-refusal shows first on borderline prompts, which are safe but look unsafe."


def enhance(
    model: str,
    *,
    refusals: str,
    harmless: str,
    out: Path,
    mask: Path | None = None,
    method: EnhanceMethod = None,
    options: Enhance = EnhanceOptions(),
    combine: Combine = CombineOptions(),
    exist_ok: ExistOk = False,
    json: Json = False,
) -> None:
    """SET: train only a mask's weights, so that the model refuses harmful requests. All others keep every bit.

    Exit codes: 0: done. 1: a weight outside the mask moved. 2: any other error, explained in one sentence. 75: another
    process of the run was lost. 130 or 143: stopped.

    Example: holdfast enhance testbed:unaligned --mask mask.safetensors --refusals testbed:refusals
    --harmless testbed:harmless_exchanges --learning-rate 1e-3 --out enhanced

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
    once = Once(exist_ok, "enhance", out / "result.json", out, locals())
    if once.says_done(json):
        return
    chosen, method_options = method_for(method or usual_method("enhance", mask), mask), MethodOptions(**dict(combine))
    refuse_idle(chosen, method_options)
    check_mask(mask)
    require_readable(refusals, responses="refusals")
    require_readable(harmless, responses="responses")
    from holdfast.intervene.train.enhance import UNUSED
    from holdfast.pipeline import tuning

    if not options.harmless_share:
        logger.warning("%s", UNUSED)
    with shown_progress() as progress:
        files = EnhanceFiles(refusals=refusals, harmless=harmless)
        inputs = {"method": chosen.name, "method_options": method_options}
        done = tuning.enhance_model(model, mask, files, out, options=options, progress=progress, **inputs)
    trained = {name: getattr(done, name) for name in ("entries_trained", "share_trained", "untouched_identical")}
    named = {} if chosen.name in ("set", "plain") else {"method": chosen.name}
    result = {"out": str(out), **named, **trained, **training_numbers(done, options.iterations)}
    once.record()
    show_known("SET" if mask else "Tuning of all weights", result, json, note=_next_steps(model, out, mask))


def _next_steps(model: str, out: Path, mask: Path | None) -> str:
    """Lists the commands that measure the new model, check it, and take the change off again."""
    if mask is None:
        return next_commands(out, BORDERLINE, reverts=False)
    after, base = quote(str(out / "model")), quote(model)
    check = f"Check it: holdfast check {after} --base {base} --mask {quote(str(mask))} --only-mask-moved"
    return next_commands(out, BORDERLINE, check)
