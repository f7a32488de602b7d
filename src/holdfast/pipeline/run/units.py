"""The order of a run: every piece with the files that it makes, so that pieces whose files exist are not made again."""

from collections.abc import Callable
from pathlib import Path

from holdfast.pipeline.options import EnhanceObjective
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.layout import arms_in, enhanced_files, masks_of, noise_paths, start_file, starting_names
from holdfast.pipeline.run.pieces import adapt, enhance, evaluate, locate, verify
from holdfast.pipeline.run.workers import Unit


def unfinished(config: RunConfig, out: Path) -> list[str]:
    """Lists the pieces of a run with missing files, in the order in which they are made."""
    return [unit.label for unit in (*first_units(config, out), *second_units(config, out)) if not unit.is_done]


def starting_units(
    config: RunConfig, *, aligned: Path, aligned_start: Path, unaligned: Path, unaligned_start: Path
) -> list[Unit]:
    """Returns the units that all others need: they locate weights (folders) and evaluate untouched models (files)."""

    def locating(label: str, model: str, folder: Path, objective: EnhanceObjective, *copies: Path) -> Unit:
        arguments = {"config": config, "model": model, "folder": folder, "objective": objective, "copies": copies}
        made = [path for place in (folder, *copies) for path in _located_files(config, place)]
        return Unit(label, locate, made, arguments)

    def evaluating(label: str, model: str, path: Path, *copies: Path, task: bool) -> Unit:
        arguments = {"config": config, "model": model, "path": path, "copies": copies, "task": task}
        return Unit(label, evaluate, [path, *copies], arguments)

    names, once, once_evaluated = starting_names(config), config.is_located_once, config.is_evaluated_once
    copy = [unaligned_start] if once_evaluated else []
    units = [
        locating(names.locate, config.model, aligned, config.located_by, *([unaligned] if once else [])),
        evaluating(names.evaluate, config.model, aligned_start, *copy, task=True),
    ]
    if config.unaligned is not None and not once:
        units += [locating(names.locate_for_set, config.unaligned, unaligned, config.enhance_objective)]
    if config.unaligned is not None and not once_evaluated:
        units += [evaluating(names.evaluate_for_set, config.unaligned, unaligned_start, task=False)]
    return units


def _located_files(config: RunConfig, folder: Path) -> list[Path]:
    return [*(folder / "masks" / f"{name}.safetensors" for name in masks_of(config)), folder / "section.json"]


def first_units(config: RunConfig, out: Path) -> list[Unit]:
    """Returns the units that all others need, with their places in the run's folder."""
    return starting_units(
        config,
        aligned=out / "locate",
        aligned_start=start_file(out, "adapt"),
        unaligned=out / "enhance" / "locate",
        unaligned_start=start_file(out, "enhance"),
    )


def second_units(config: RunConfig, out: Path) -> list[Unit]:
    """Returns the units that can run side by side once the masks exist, the longest last, so that no core waits."""
    noise = [
        _unit(f"noise {ratio:g} on {arm.name}", verify, files, config, out, arm=arm.name, ratio=ratio)
        for ratio in config.verify.ratios
        for arm in arms_in(config, "verify")
        for files in [noise_paths(config, out, arm.name, ratio)]
    ]
    tuned = [
        _unit(f"enhance {arm.name}", enhance, files, config, out, arm=arm.name)
        for arm in arms_in(config, "enhance")
        for files in [[*enhanced_files(out, arm.name), out / f"enhance/{arm.name}/evaluation.json"]]
    ]
    adapted = [
        _unit(f"adapt {arm.name}", adapt, files, config, out, arm=arm.name)
        for arm in arms_in(config, "adapt")
        for files in [[out / f"adapt/{arm.name}/{name}.json" for name in ("result", "evaluation")]]
    ]
    return noise + tuned + adapted


def _unit(
    label: str, make: Callable[..., None], files: list[Path], config: RunConfig, out: Path, **arguments: object
) -> Unit:
    return Unit(label, make, files, {"config": config, "out": out, **arguments})
