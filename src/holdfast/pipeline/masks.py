"""Writes masks to files: selected from scores, or combined from other masks. It loads no model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from holdfast.artifacts import load_mask, load_scores, refuse_other_base, save_mask, save_mask_parts
from holdfast.distributed import first
from holdfast.pipeline.outputs import refuse_existing
from holdfast.select import SELECTORS, combine, trim
from holdfast.select.algebra import Operation
from holdfast.select.ranking import count_selected, held_part
from holdfast.select.registry import find_selector
from holdfast.values import Mask, ScoresShard


@dataclass(frozen=True)
class WeightsOf:
    """The weights that stand for neurons."""

    model: str
    parts: Sequence[Literal["down", "gate", "up"]]
    """Matrices whose weights count: down (what a neuron writes), gate and up (what it reads)."""


def select(
    scores: Path,
    selector: str,
    out: Path,
    *,
    given: Mapping[str, object],
    utility: Path | None = None,
    like: Path | None = None,
    weights: WeightsOf | None = None,
) -> Mask:
    """Writes the mask that a selector selects from scores. With several processes, each reads, selects and writes its
    share.

    Args:
        scores: path of the scores.
        selector: name of the selector, one of `SELECTORS`.
        out: path for the mask.
        given: the selector's options that differ from its defaults, by name. An unknown option raises ValueError.
        utility: path of utility scores, for a selector that needs them.
        like: path of a mask to match, for a selector that takes one.
        weights: model and parts whose weights a mask of neurons becomes.
    """
    first(lambda: refuse_existing(out))
    files = {name: path for name, path in (("utility", utility), ("like", like)) if path}
    chosen = find_selector(selector, [*given, *files])
    beside = {name: _named(path) if name == "like" else load_scores(path) for name, path in files.items()}
    loaded = load_scores(scores)
    mask = chosen.select(loaded, options=chosen.options.model_validate(given), **beside)
    if weights is not None:
        mask = _as_weights(mask, weights)
    if not isinstance(loaded, ScoresShard):
        save_mask(out, mask)
        return mask
    save_mask_parts(out, held_part(mask, loaded))
    return load_mask(out)


def _as_weights(mask: Mask, weights: WeightsOf) -> Mask:
    """Turns a mask of neurons into one of weights, by the structure of a checkpoint that is not loaded."""
    if mask.granularity == "weight":
        raise ValueError("the scores are of weights, so the mask selects weights anyway; leave --weights-of out.")
    from holdfast.models.stored import open_stored, stored_fingerprint  # imports transformers
    from holdfast.select.neurons import neuron_weights

    stored = open_stored(weights.model)
    selected = neuron_weights(stored.model, mask, weights.parts)
    refuse_other_base("the file of scores", mask, stored_fingerprint(stored), stored.name)
    return selected


def _named(path: Path) -> Mask:
    """Loads a mask and records the file that it was read from, for masks that are drawn like it."""
    mask = load_mask(path)
    return replace(mask, made_by={**mask.made_by, "file": str(path)})


def select_as_shared(
    scores: Path, selector: str, out: Path, *, shared: Mapping[str, object], utility: Path | None
) -> Mask:
    """Writes a mask with options that several selectors share. Each selector gets the options that it knows."""
    needed = utility if SELECTORS[selector].needs_utility else None
    return select(scores, selector, out, given=known_options(selector, shared), utility=needed)


def known_options(selector: str, shared: Mapping[str, object]) -> dict[str, object]:
    """Returns those of the shared options that a selector knows."""
    return {name: value for name, value in shared.items() if name in SELECTORS[selector].options.model_fields}


def combine_masks(
    operation: Operation,
    masks: Sequence[Mask],
    out: Path | None,
    *,
    scores: Path | None = None,
    fraction: float | None = None,
) -> Mask:
    """Returns the masks' union, intersection or difference, trimmed by scores to a fraction of the scored entries.

    If `out` is given, the mask is saved there.
    """
    if out is not None:
        refuse_existing(out)
    if (scores is None) != (fraction is None):
        raise ValueError("trimming needs scores and the fraction to keep; give --trim and --fraction, or neither.")
    mask = combine(operation, masks)
    if scores is not None and fraction is not None:
        mask = trim(mask, load_scores(scores), count_selected(fraction, mask.num_entries))
    if out is not None:
        save_mask(out, mask)
    return mask
