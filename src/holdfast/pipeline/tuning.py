"""Runs SET and SPA on files: loads a model, a mask and exchanges, tunes, and saves the result.

Commands and runs share these functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from holdfast.arms import Stage
from holdfast.artifacts import (
    load_mask,
    refuse_other_base,
    save_json,
    save_patch,
)
from holdfast.distributed import first, world_size
from holdfast.intervene.entries import mask_digest
from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import AdaptOptions, EnhanceOptions, SftOptions, share_batch
from holdfast.intervene.train.adapt import AdaptResult, adapt, check_adapting
from holdfast.intervene.train.adapters import target_modules
from holdfast.intervene.train.checkpoints import discard_checkpoints
from holdfast.intervene.train.enhance import EnhanceResult, check_method, enhance
from holdfast.intervene.train.frozen import require_roles
from holdfast.intervene.train.methods import Method, usual_method
from holdfast.intervene.train.one_tuning import Refresh
from holdfast.intervene.train.preserve.replay import own_answers
from holdfast.intervene.train.preserve.safety import Safety, check_safety, read_safety
from holdfast.intervene.train.result import TuningResult
from holdfast.models.load import LoadedModel, default_device, load_model, load_outline
from holdfast.pipeline.given_exchanges import load_to_enhance
from holdfast.pipeline.inputs import digest_of
from holdfast.pipeline.options import EnhanceFiles, SafetyFiles
from holdfast.pipeline.outputs import claimed, refuse_unclaimable
from holdfast.pipeline.probe import top_mask_refresh
from holdfast.pipeline.rendering import rendering_of
from holdfast.pipeline.saving import save_checkpoint
from holdfast.progress import Progress, silent, step
from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.records import Exchange, Prompt
from holdfast.select.neurons import neuron_weights
from holdfast.values import Mask, Meta

TRAINING = "training"
"""Subfolder of the training checkpoints."""
ANSWERS = "own_answers.json"
"""File of the start model's own answers to safety prompts."""


def enhance_model(
    model: str,
    mask: Path | None,
    files: EnhanceFiles,
    out: Path,
    *,
    options: EnhanceOptions = EnhanceOptions(),
    method: str | None = None,
    method_options: MethodOptions = MethodOptions(),
    progress: Progress = silent,
) -> EnhanceResult:
    """Writes the tuned checkpoint, its patch and the results of its checks to a folder. An interrupted call resumes.

    The default method is SET with a mask, and plain fine-tuning without one.

    Raises:
        ValueError: an input is missing or wrong, training broke the model, or the folder has other settings.
        InvariantError: an entry outside the mask has changed.
    """
    refuse_unclaimable(out)
    chosen = check_method(method or usual_method("enhance", mask), mask, options, method_options)
    unsafe, harmless = load_to_enhance(files.refusals, files.harmless)
    safe = harmless if options.harmless_share else []
    loaded, selected = _load_to_tune(model, mask, options, progress, all_weights=mask is None)
    settings = _settings(loaded, selected, options, refusals=unsafe, harmless=safe)
    settings |= _of_method(chosen, "enhance", mask, method_options)
    with claimed(out, settings, states=TRAINING):
        kept = _checkpoints(out, options)
        call_options = {
            "method": chosen.name,
            "method_options": method_options,
            "just_loaded": True,
            "check_sets": False,
            "output_dir": kept,
        }
        sets = {"refusals": unsafe, "harmless": safe}
        result = enhance(loaded, selected, **sets, options=options, progress=progress, **call_options)
        if result.patch is not None:
            named = _with_names(result.patch.made_by, refusals=files.refusals, harmless=files.harmless)
            first(partial(save_patch, out / "patch.safetensors", replace(result.patch, made_by=named)))
        checked = {
            "entries_trained": result.entries_trained,
            "share_trained": result.share_trained,
            "untouched_identical": result.untouched_identical,
        }
        _save_tuned(out, result, options, checked, progress)
    return result


def adapt_model(
    model: str,
    mask: Path | None,
    exchanges: str,
    out: Path,
    *,
    options: AdaptOptions = AdaptOptions(),
    method: str | None = None,
    method_options: MethodOptions = MethodOptions(),
    safety: SafetyFiles = SafetyFiles(),
    progress: Progress = silent,
) -> AdaptResult:
    """Writes the adapted checkpoint and the results of its checks to a folder. An interrupted call resumes.

    The default method is SPA with a mask, and plain fine-tuning without one.

    Raises:
        ValueError: an input is missing or wrong, training broke the model, or the folder has other settings.
        InvariantError: a protected entry has changed.
    """
    refuse_unclaimable(out)
    chosen = check_adapting(method, mask, options, method_options)
    task, learned = load_exchanges(exchanges), load_safety(chosen, safety)
    _refuse_missing_parts(model, options)
    loaded, selected = _load_to_tune(model, mask, options, progress, all_weights=options.lora is None)
    settings = _settings(loaded, selected, options, task=task, **({"safety": learned} if learned else {}))
    settings |= _of_method(chosen, "adapt", mask, method_options)
    with claimed(out, settings, states=TRAINING):
        kept = _checkpoints(out, options)
        learned = _with_answers(chosen, loaded, learned, method_options, out, progress)
        call_options = {"adapter_dir": out / "adapter", "method": chosen.name, "just_loaded": True}
        call_options |= {"method_options": method_options, "safety": learned}
        if selected is not None and "refresh_every" in chosen.options:
            call_options["refresh"] = _refresh(loaded, selected, learned)
        result = adapt(loaded, selected, task, options, progress, kept, **call_options)
        checked = {
            "entries_protected": result.entries_protected,
            "frozen": list(result.frozen),
            "protected_identical": result.protected_identical,
            **({} if result.safety_read is None else {"safety_read": result.safety_read}),
        }
        _save_tuned(out, result, options, checked, progress)
    return result


def load_safety(method: Method, files: SafetyFiles) -> Safety:
    """Loads the safety data that a method reads, before a model is loaded.

    Raises:
        ValueError: the method needs data that is not given, reads none, or a prompt also evaluates the model.
    """
    held_out = [prompt for source in files.held_out for prompt in load_prompts(source)]
    learned = [] if files.safety is None else read_safety(method, files.safety)
    check_safety(method, learned, held_out)
    return learned


def _with_answers(
    method: Method, loaded: LoadedModel, safety: Safety, options: MethodOptions, out: Path, progress: Progress
) -> Safety:
    """Replaces safety prompts by the start model's own answers, which are kept in the output folder."""
    prompts = [record for record in safety if isinstance(record, Prompt)]
    if not prompts or method.safety != "own":
        return safety
    settings = {"max_new_tokens": options.answer_tokens, "cache": out / ANSWERS, "progress": progress}
    return own_answers(loaded, prompts, **settings)


def _refresh(loaded: LoadedModel, mask: Mask, refusals: Safety) -> Refresh:
    """Returns a function that selects as many weights as the mask has, by the likelihood of the given refusals."""
    return top_mask_refresh(loaded.tokenizer, None, refusals, mask.density)


def _refuse_missing_parts(model: str, options: AdaptOptions) -> None:
    """Raises ValueError for a role to freeze, or a target of LoRA, that the model lacks. Reads its config alone."""
    targets = options.lora and options.lora.targets
    if not options.freeze and not targets:
        return
    outline = load_outline(model, default_device()).model
    require_roles(outline, options.freeze)
    if options.lora:
        target_modules(outline, options.lora)


def _load_to_tune(
    model: str, mask: Path | None, options: SftOptions, progress: Progress, *, all_weights: bool
) -> tuple[LoadedModel, Mask | None]:
    """Loads the model, split over the processes if the options say so, and its mask.

    The model keeps its own dtype where only a few weights are trained.

    Raises:
        ValueError: as `load_model` and `load_mask` do, or the options do not fit the number of processes.
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
    selected = load_mask(mask) if mask else None  # a wrong mask raises before the model is loaded
    in_float32 = options.shard and all_weights
    dtype = "float32" if in_float32 else "auto"
    loaded = load_model(model, sharded=options.shard, dtype=dtype, mixed_precision=in_float32, progress=progress)
    if selected is not None:
        refuse_other_base(f"mask {str(mask)!r}", selected, loaded.base, loaded.name)
        selected = neuron_weights(loaded.model, selected)  # the weights of neurons, where the mask selects neurons
    return loaded, selected


def _settings(
    loaded: LoadedModel, mask: Mask | None, options: SftOptions, **read: Sequence[Exchange | Prompt]
) -> dict[str, object]:
    """Returns the settings that a tuned checkpoint depends on."""
    return {
        "model": loaded.base,
        "mask": mask and mask_digest(mask),
        **{name: digest_of(exchanges) for name, exchanges in read.items()},
        "rendering": rendering_of(loaded.tokenizer),
        "options": options.model_dump(mode="json"),
        "number of processes": world_size(),
    }


def _of_method(method: Method, stage: Stage, mask: Path | None, options: MethodOptions) -> dict[str, object]:
    """Returns the method and the options that it reads. The default, which earlier versions do not name, adds none."""
    named: dict[str, object] = {} if method.name == usual_method(stage, mask) else {"method": method.name}
    read = options.model_dump(mode="json", include=set(method.options))
    return named | ({"method options": read} if read else {})


def _with_names(made_by: Meta, **names: str) -> Meta:
    """Returns the patch's metadata with the names of its prompt sets."""
    named = {key: {**cast(Meta, made_by[key]), "name": name} for key, name in names.items() if made_by[key]}
    return {**made_by, **named}


def _checkpoints(out: Path, options: SftOptions) -> Path | None:
    """Returns the folder of training checkpoints, if training makes any."""
    return out / TRAINING if options.checkpoint_every else None


def _save_tuned(
    out: Path, result: TuningResult, options: SftOptions, checked: Mapping[str, object], progress: Progress
) -> None:
    """Saves the checkpoint, the losses, and the results of the checks. A folder with result.json is complete."""
    with step(progress, "saving the checkpoint"):
        save_checkpoint(out / "model", result.tuned)
    first(lambda: save_json(out / "losses.json", {"losses": list(result.losses)}))
    first(lambda: discard_checkpoints(out / TRAINING))
    drift = {} if result.routing_drift is None else {"routing_drift": result.routing_drift}
    measured = {
        "iterations": options.iterations,
        "entries_changed": result.entries_changed,
        "start_loss": result.start_loss,
        "saved_loss": result.saved_loss,
        **drift,
    }
    first(lambda: save_json(out / "result.json", {**checked, **measured}))
