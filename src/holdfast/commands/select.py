"""`holdfast select`."""

from pathlib import Path
from typing import Literal

from holdfast.commands.console import show, table
from holdfast.commands.parameters import Json, Select
from holdfast.pipeline import steps
from holdfast.pipeline.config import SelectOptions


def select(
    scores: Path,
    *,
    out: Path,
    selector: Literal["top", "safety_only", "random", "bottom"] = "top",
    utility: Path | None = None,
    options: Select = SelectOptions(),
    seed: int = 0,
    json: Json = False,
) -> None:
    """Cut a mask from scores: exact, global, with ties to the earlier tensor and lower index.

    Example: holdfast select scores.safetensors --fraction 0.01 --out mask.safetensors

    Parameters
    ----------
    scores
        File that `holdfast score` wrote.
    out
        File for the mask.
    selector
        top: the largest scores; safety_only: the largest that are not among utility's; random and bottom: controls.
    utility
        Utility scores of the same model, for safety_only.
    seed
        Seed of the random selector.
    json
        Print one JSON object.
    """
    mask = steps.select(scores, selector, out, utility=utility, options=options, seed=seed)
    result = {
        "out": str(out),
        "selector": selector,
        "num_selected": len(mask),
        "density": mask.density,
        "share_of_all": mask.share_of_all,
        "base": mask.base,
    }
    rows = [(name, len(mask[name])) for name in sorted(mask.indices, key=lambda name: -len(mask[name]))[:10]]
    title = f"{len(mask):,} entries: {mask.density:.3%} of the scored, {mask.share_of_all:.3%} of all"
    show(result, [table(title, ("parameter", "selected"), rows)], json, note=f"Mask: {out}")
