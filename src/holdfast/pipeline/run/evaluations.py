"""Loads the evaluations of a run, by the labels that its page gives them."""

from pathlib import Path

from holdfast.arms import STARTS
from holdfast.artifacts import load_evaluation
from holdfast.outcomes import Evaluation
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.layout import arms_in, start_file

SELECTED = "selected"
"""Name of the main mask in labels."""


def evaluations_of(config: RunConfig, out: Path) -> dict[str, Evaluation]:
    """Loads every evaluation of a run that is there: the start of each stage, then its arms. Noise is left out."""
    paths: dict[str, Path] = {}
    for stage in STARTS:
        paths[f"{stage}: start"] = start_file(out, stage)
        for arm in arms_in(config, stage):
            paths[f"{stage}: {arm.label_for(SELECTED)}"] = out / stage / arm.name / "evaluation.json"
    return {label: load_evaluation(path) for label, path in paths.items() if path.is_file()}
