"""`holdfast select`."""

from pathlib import Path

from holdfast.commands.console import show
from holdfast.commands.masks import mask_json, mask_table
from holdfast.commands.parameters import Json, Select, SelectorOptions
from holdfast.pipeline import steps


def select(
    scores: Path,
    *,
    out: Path,
    selector: str = "top",
    utility: Path | None = None,
    like: Path | None = None,
    options: Select = SelectorOptions(),
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
        top: the largest scores; safety_only: the largest that are not among utility's; threshold: all that reach a
        value; random and bottom: controls. Each refuses options that it does not take.
    utility
        Utility scores of the same model; needed by safety_only.
    like
        A mask that random matches: it draws from every tensor as many entries as that mask selects there, and takes no
        option but seed.
    json
        Print one JSON object.
    """
    given = options.model_dump(exclude_unset=True)
    mask = steps.select(scores, selector, out, given=given, utility=utility, like=like)
    show({**mask_json(mask, out), "selector": selector}, [mask_table(mask)], json, note=f"Mask: {out}")
