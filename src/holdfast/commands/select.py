"""`holdfast select`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import Field

from holdfast.commands.console import Json, show
from holdfast.commands.masks import mask_json, mask_table, origin_table
from holdfast.pipeline.masks import select as select_to_file
from holdfast.select import RandomOptions, SetDifferenceOptions, ThresholdOptions


class SelectorOptions(SetDifferenceOptions, RandomOptions):
    """The options of all selectors; each refuses those that it does not take."""

    threshold: float | None = Field(
        default=None, allow_inf_nan=False, description=ThresholdOptions.model_fields["threshold"].description
    )


def select(
    scores: Path,
    *,
    out: Path,
    selector: str = "top",
    utility: Path | None = None,
    like: Path | None = None,
    options: Annotated[SelectorOptions, Parameter(name="*")] = SelectorOptions(),
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
    mask = select_to_file(scores, selector, out, given=given, utility=utility, like=like)
    show(
        {**mask_json(mask, out), "selector": selector},
        [mask_table(mask), origin_table(mask.made_by)],
        json,
        note=f"Mask: {out}",
    )
