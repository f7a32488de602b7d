"""`holdfast restore`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from holdfast.commands.after_change import next_commands
from holdfast.commands.console import Json, show, shown_progress, table, warn
from holdfast.commands.layers import layer_table
from holdfast.commands.once import ExistOk, Once
from holdfast.commands.words import value_words
from holdfast.intervene.patch.restore_options import RestoreOptions, SafeLoraOptions
from holdfast.option_groups import FINE
from holdfast.prompts.readable import require_readable
from holdfast.shares import share_words

if TYPE_CHECKING:
    from holdfast.pipeline.restoring import Restored


def restore(
    aligned: str,
    tuned: str,
    *,
    out: Path,
    options: Annotated[RestoreOptions | None, Parameter(name="*")] = None,
    base: Annotated[str | None, FINE] = None,
    safe_lora: Annotated[SafeLoraOptions, Parameter(name="safe-lora"), FINE] = SafeLoraOptions(),
    exist_ok: ExistOk = False,
    json: Json = False,
) -> None:
    """Put the aligned model's values back on few of the weights that a fine-tuning moved.

    Exit codes: 0: done. 2: any other error, explained in one sentence. 130 or 143: stopped.

    Example: holdfast restore testbed:aligned adapted/model --refusals testbed:refusals --out restored

    Parameters
    ----------
    aligned
        The checkpoint before the fine-tuning: a folder, a hub id or testbed:NAME.
    tuned
        The fine-tuned checkpoint, or the folder of a LoRA adapter.
    out
        New folder for the restored model and its patch, which `holdfast patch revert` takes off again.
    base
        The model before alignment. With it, SafeLoRA projects a LoRA adapter, and no weights are put back.
    json
        Print one JSON object in place of tables.
    """
    once = Once(exist_ok, "restore", out, out, locals())
    if once.says_done(json):
        return
    if base is None:
        _restore(aligned, tuned, out, options, json)
    else:
        _project(aligned, base, tuned, out, safe_lora, json)
    once.record()


def _restore(aligned: str, tuned: str, out: Path, options: RestoreOptions | None, json: bool) -> None:
    options = options or RestoreOptions()
    require_readable(options.refusals, responses="refusals")
    require_readable(options.task, responses="responses")
    from holdfast.pipeline import patching, restoring

    with shown_progress() as progress:
        done = restoring.restore(aligned, tuned, out, options, progress)
    if done.left_alone:
        warn(
            f"{', '.join(done.left_alone)}: {tuned} has another number of rows there than {aligned}, as after adding a "
            "token; left as tuned."
        )
    changes = patching.changes_by_layer(done.patch)
    tables = [layer_table(patching.patch_title(changes), changes), table("Restored", ("what", "value"), _facts(done))]
    note = "\n".join(filter(None, [f"Restored model: {out / 'model'}", next_commands(out)]))
    show({"out": str(out), **done.as_json()}, tables, json, note=note)


def _facts(done: "Restored") -> list[tuple[str, str]]:
    known = {"weights put back": f"{done.restored:,} ({share_words(done.restored, done.scored)} of those scored)"}
    known["scored weights that moved"] = f"{done.moved:,} ({share_words(done.moved, done.scored)})"
    if done.tried:
        known["task score of the tuned model"] = f"{done.task_before:.3f}"
        known |= {f"task score with {size:,} weights put back": f"{score:.3f}" for size, score in done.tried}
    return list(known.items())


def _project(aligned: str, base: str, adapter: str, out: Path, options: SafeLoraOptions, json: bool) -> None:
    from holdfast.pipeline.restoring import safe_lora

    with shown_progress() as progress:
        done = safe_lora(aligned, base, adapter, out, options, progress)
    rows = [
        (each.name, "unknown" if each.cosine is None else f"{each.cosine:.3f}", value_words(each.projected))
        for each in done
    ]
    tables = [table("SafeLoRA", ("matrix", "cosine", "projected"), rows)]
    result = {"out": str(out), "matrices": [asdict(each) for each in done]}
    show(result, tables, json, note=f"{sum(each.projected for each in done)} of {len(done)} matrices projected: {out}")
