"""Each stage on files: load what it needs, call it, save what it makes. Commands and the pipeline share these."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from holdfast.artifacts import (
    load_mask,
    refuse_other_base,
    save_json,
    save_patch,
)
from holdfast.distributed import first, world_size
from holdfast.evaluate.suite import Suite
from holdfast.intervene.adapt import AdaptResult, adapt
from holdfast.intervene.enhance import EnhanceResult, enhance
from holdfast.intervene.options import AdaptOptions, EnhanceOptions, SftOptions, share_batch
from holdfast.intervene.sft import discard_checkpoints, mask_digest
from holdfast.made_by import count_shared
from holdfast.models.load import LoadedModel, load_model
from holdfast.pipeline.config import SuiteFiles
from holdfast.pipeline.given_exchanges import load_to_enhance
from holdfast.pipeline.inputs import KINDS, digest_of
from holdfast.pipeline.outputs import claimed, refuse_unclaimable
from holdfast.pipeline.rendering import SETS, rendering_of
from holdfast.pipeline.saving import save_checkpoint
from holdfast.progress import Progress, silent
from holdfast.prompts.near_duplicates import THRESHOLD, count_near_duplicates, count_repeats
from holdfast.prompts.records import Exchange, Kind, Prompt, distinct, refuse_shared
from holdfast.prompts.sources import as_exchanges, load_exchanges, load_prompts, tell_repeats
from holdfast.values import Mask, Meta

logger = logging.getLogger(__name__)


def load_suite(files: SuiteFiles, limit: int | None = None) -> Suite:
    """The evaluation prompts, each once in a measure; `limit` keeps the first of every file."""

    def read(measure: str, path: str | None) -> list[Prompt]:
        return load_prompts(path, KINDS[measure])[:limit] if path else []

    repeats: list[tuple[Prompt, Prompt]] = []
    questions = read("questions", files.questions)
    harmful = distinct((prompt for path in files.harmful for prompt in read("harmful", path)), repeats)
    suite = Suite(
        harmful=list(harmful),
        harmless=read("harmless", files.harmless),
        borderline=read("borderline", files.borderline),
        questions=questions,
        task=read("task", files.task),
        exchanges=as_exchanges(questions),
    )
    tell_repeats("the harmful sets", repeats)
    return suite


def enhance_model(
    model: str,
    mask: Path | None,
    refusals: str,
    harmless: str,
    out: Path,
    *,
    options: EnhanceOptions = EnhanceOptions(),
    progress: Progress = silent,
) -> EnhanceResult:
    """Writes the tuned checkpoint, its patch and what was checked to a folder; one that was stopped goes on.

    Raises:
        ValueError: an input is missing or wrong, training broke the model, or the folder is not of these settings.
        InvariantError: an entry outside the mask has changed.
    """
    refuse_unclaimable(out)
    unsafe, safe = load_to_enhance(refusals, harmless)
    loaded, selected = _load_to_tune(model, mask, options, progress, all_weights=mask is None)
    settings = _settings(loaded, selected, options, refusals=unsafe, harmless=safe)
    with claimed(out, settings):
        kept = _checkpoints(out, options)
        result = enhance(loaded, selected, unsafe, safe, options, progress, kept, just_loaded=True)
        if result.patch is not None:
            named = _with_names(result.patch.made_by, refusals=refusals, harmless=harmless)
            first(partial(save_patch, out / "patch.safetensors", replace(result.patch, made_by=named)))
        checked = {
            "iterations": options.iterations,
            "entries_trained": result.entries_trained,
            "share_trained": result.share_trained,
            "entries_changed": result.entries_changed,
            "start_loss": result.start_loss,
            "saved_loss": result.saved_loss,
            "untouched_identical": result.untouched_identical,
            **_drift(result.routing_drift),
        }
        _save_tuned(out, result.tuned, checked)
    return result


def adapt_model(
    model: str,
    mask: Path | None,
    exchanges: str,
    out: Path,
    *,
    options: AdaptOptions = AdaptOptions(),
    progress: Progress = silent,
) -> AdaptResult:
    """Writes the adapted checkpoint and what was checked to a folder; one that was stopped goes on.

    Raises:
        ValueError: an input is missing or wrong, training broke the model, or the folder is not of these settings.
        InvariantError: a protected entry has changed.
    """
    refuse_unclaimable(out)
    task = load_exchanges(exchanges)
    loaded, selected = _load_to_tune(model, mask, options, progress, all_weights=options.lora is None)
    with claimed(out, _settings(loaded, selected, options, task=task)):
        kept = _checkpoints(out, options)
        how = {"adapter_dir": out / "adapter", "just_loaded": True}
        result = adapt(loaded, selected, task, options, progress, kept, **how)
        checked = {
            "iterations": options.iterations,
            "entries_protected": result.entries_protected,
            "entries_changed": result.entries_changed,
            "start_loss": result.start_loss,
            "saved_loss": result.saved_loss,
            "frozen": list(result.frozen),
            "protected_identical": result.protected_identical,
            **_drift(result.routing_drift),
        }
        _save_tuned(out, result.tuned, checked)
    return result


def warn_of_shared(mask: Mask, suite: Suite) -> None:
    """Warns where prompts that a mask was made from also judge it, as far as its file says."""
    judging = [*suite.harmful, *suite.harmless, *suite.borderline, *suite.questions, *suite.task, *suite.refusals]
    if shared := count_shared(mask.made_by, judging):
        logger.warning(
            "%d of %d evaluation prompts also made the mask's scores, so the mask may look better here than on new "
            "prompts; evaluate on prompts that made no scores.",
            shared,
            len(judging),
        )


def refuse_overlap(calibration: Sequence[str], files: SuiteFiles, harmful: str | None = None) -> dict[str, Any]:
    """How many prompts that judge resemble one that makes scores or trains; ValueError when one is the same.

    Of the set `harmful`, one of calibration, only prompts that its file does not label as safe make scores. Every set
    that judges is counted for itself, too, with the prompts that nearly repeat an earlier one in it.
    """
    suite = load_suite(files)
    kinds: dict[str | None, Kind] = {harmful: "harmful"}
    made_from = [record for path in calibration for record in load_prompts(path, kinds.get(path))]
    sets = {name: getattr(suite, name) for name in SETS}
    judging = [prompt for prompts in sets.values() for prompt in prompts]
    refuse_shared(made_from, judging)
    counts = {
        name: {
            "prompts": len(prompts),
            "near_calibration": count_near_duplicates(prompts, made_from),
            "repeats": count_repeats(prompts),
        }
        for name, prompts in sets.items()
        if prompts
    }
    near = sum(count["near_calibration"] for count in counts.values())
    if near:
        logger.warning("%d of %d evaluation prompts are near duplicates of calibration prompts.", near, len(judging))
    return {"near_duplicates": near, "evaluation_prompts": len(judging), "threshold": THRESHOLD, "sets": counts}


def _load_to_tune(
    model: str, mask: Path | None, options: SftOptions, progress: Progress, *, all_weights: bool
) -> tuple[LoadedModel, Mask | None]:
    """The model, spread over the processes where that is asked for, and its mask.

    The model's own dtype does where few weights are trained.

    Raises:
        ValueError: as `load_model` and `load_mask` do, or the options are not for so many processes.
    """
    if options.shard and world_size() == 1:
        raise ValueError(
            "shard spreads the model over several processes, and there is one; start them with "
            "`torchrun --nproc-per-node N -m holdfast ...`, or leave it out."
        )
    share_batch(options, world_size())  # before the model is loaded, and the folder made
    for name, alone in (("lora", "adapters are trained"), ("objective", "preferences are learned")):
        if world_size() > 1 and getattr(options, name, None) not in (None, "sft"):
            raise ValueError(f"{alone} in one process; leave {name} out, or start the command without torchrun.")
    selected = load_mask(mask) if mask else None  # a wrong one is told before the model is loaded
    in_float32 = options.shard and all_weights
    dtype = "float32" if in_float32 else "auto"
    loaded = load_model(model, sharded=options.shard, dtype=dtype, mixed_precision=in_float32, progress=progress)
    if selected is not None:
        refuse_other_base(f"mask {str(mask)!r}", selected.base, loaded.base)
    return loaded, selected


def _settings(
    loaded: LoadedModel, mask: Mask | None, options: SftOptions, **read: Sequence[Exchange]
) -> dict[str, object]:
    """What a tuned checkpoint depends on."""
    return {
        "model": loaded.base,
        "mask": mask and mask_digest(mask),
        **{name: digest_of(exchanges) for name, exchanges in read.items()},
        "rendering": rendering_of(loaded.tokenizer),
        "options": options.model_dump(mode="json"),
        "number of processes": world_size(),
    }


def _with_names(made_by: Meta, **names: str) -> Meta:
    """What a patch says of how it was made, with the names of its sets of prompts."""
    return {**made_by, **{key: {**cast(Meta, made_by[key]), "name": name} for key, name in names.items()}}


def _drift(share: float | None) -> dict[str, float]:
    """Of a mixture of experts alone."""
    return {} if share is None else {"routing_drift": share}


def _checkpoints(out: Path, options: SftOptions) -> Path | None:
    """Where training keeps its checkpoints, if it makes any."""
    return out / "training" if options.checkpoint_every else None


def _save_tuned(out: Path, tuned: LoadedModel, checked: Mapping[str, object]) -> None:
    """The checkpoint, then what was checked: a folder with result.json is whole."""
    save_checkpoint(out / "model", tuned)
    first(lambda: discard_checkpoints(out / "training"))
    first(lambda: save_json(out / "result.json", checked))
