"""`holdfast select`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import Field

from holdfast.commands.console import Json, show
from holdfast.commands.masks import mask_json, mask_table, origin_table
from holdfast.commands.once import ExistOk, Once
from holdfast.endings import require_ending
from holdfast.option_groups import METHOD, NEURONS
from holdfast.outcomes import iou_words
from holdfast.pipeline.halved import halves_overlap
from holdfast.pipeline.masks import WeightsOf
from holdfast.pipeline.masks import select as select_to_file
from holdfast.select import RandomOptions, SetDifferenceOptions, ThresholdOptions, VotesOptions

Part = Literal["down", "gate", "up"]
SELECTOR = """Rule that selects.

- top: the weights with the largest scores
- safety_only: the top weights, without those that matter most for utility
- threshold: all weights whose score reaches --threshold
- votes: neurons that matter in the most examples, from the file OUT_examples.safetensors
- random: random weights, a control
- bottom: the weights with the smallest scores, a control"""
PARTS: tuple[Part, ...] = ("down", "gate", "up")


class SelectorOptions(SetDifferenceOptions, RandomOptions, VotesOptions):
    """Options of all selectors. Each selector refuses those that it does not take."""

    threshold: float | None = Field(
        default=None, allow_inf_nan=False, description=ThresholdOptions.model_fields["threshold"].description
    )


def select(
    scores: Path,
    *,
    out: Path,
    selector: Annotated[str, Parameter(help=SELECTOR), METHOD] = "top",
    utility: Annotated[Path | None, METHOD] = None,
    like: Annotated[Path | None, METHOD] = None,
    weights_of: Annotated[str | None, NEURONS] = None,
    parts: Annotated[tuple[Part, ...], NEURONS] = PARTS,
    options: Annotated[SelectorOptions, Parameter(name="*"), METHOD] = SelectorOptions(),
    exist_ok: ExistOk = False,
    json: Json = False,
) -> None:
    """Select the weights or neurons with the largest scores in the whole model, and write them as a mask.

    Example: holdfast select scores.safetensors --fraction 0.01 --out mask.safetensors

    Exit codes: 0: done. 2: an error, explained in one sentence. 75: another process of the run was lost. 130 or 143:
    stopped.

    Parameters
    ----------
    scores
        File that `holdfast score` wrote.
    out
        File for the mask (safetensors).
    utility
        Scores of the same model for the objective utility. safety_only needs them.
    like
        Mask to match, for --selector random: it selects as many weights of every tensor. Goes with --seed alone.
    weights_of
        Model of the neurons. Writes a mask of their weights in place of a mask of neurons.
    parts
        Weights of a neuron, with --weights-of: its column of down_proj (down), its rows of gate_proj (gate) and up_proj
        (up).
    json
        Print one JSON object in place of tables.
    """
    require_ending(out, ".safetensors")
    once = Once(exist_ok, "select", out, out, locals())
    if once.says_done(json):
        return
    given = options.model_dump(exclude_unset=True)
    if weights_of is None and parts != PARTS:
        raise ValueError("parts has no effect without weights-of; give --weights-of MODEL, or leave it out.")
    weights = WeightsOf(weights_of, parts) if weights_of else None
    mask = select_to_file(scores, selector, out, given=given, utility=utility, like=like, weights=weights)
    once.record()
    halves = halves_overlap(scores, selector, given, utility)
    agreement = "" if halves is None else f"Selected from two halves of the prompts: {iou_words(halves)}\n"
    show(
        {**mask_json(mask, out), "selector": selector, "halves": halves and asdict(halves)},
        [mask_table(mask, out), origin_table(mask.made_by)],
        json,
        note=f"{agreement}Mask: {out}",
    )
