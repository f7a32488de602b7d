"""Finds a direction from two prompt sets, and tests one on two others."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from holdfast.arguments import checked_call, require_name, require_seed
from holdfast.artifacts import load_direction, refuse_other_base, save_direction
from holdfast.counts import counted
from holdfast.directions.finding import (
    Apart,
    Found,
    Recognition,
    candidate_layers,
    chance_controls,
    recognise,
    split_pairs,
    tell_by_length,
)
from holdfast.directions.finding import find_direction as find_in_states
from holdfast.directions.states import encode_prompts, last_states, states_of
from holdfast.directions.transplant import Transplant, fit_transplant, require_enough
from holdfast.endings import require_ending
from holdfast.evaluate.statistics import counted_rate
from holdfast.made_by import Meta, count_shared, model_entry, prompts_entry, version
from holdfast.models.activation_sites import residual_sites
from holdfast.models.load import LoadedModel, load_model, require_model_name
from holdfast.outcomes import Rate
from holdfast.pipeline.outputs import refuse_existing, refuse_unwritable
from holdfast.progress import Progress, silent
from holdfast.prompts.locate import require_set_name
from holdfast.prompts.sources import load_prompts
from holdfast.records import Prompt
from holdfast.values import Direction

logger = logging.getLogger(__name__)
CONTROL_SEED = 0
"""Seed of the controls of a test, which has no other random part."""
LEVEL = 0.05
"""Largest p value at which a direction differs from shuffled labels. 20 shuffled vectors reach 0.048 at best."""
SEPARATES = 0.9
"""Share of pairs told apart by length alone from which on a warning appears."""


@dataclass(frozen=True)
class PromptPairs:
    """Prompts with a concept and without it, pair by pair."""

    positive: Sequence[Prompt]
    negative: Sequence[Prompt]

    def __len__(self) -> int:
        return len(self.positive)

    @property
    def texts(self) -> list[str]:
        """All prompts: first the positive, then the negative ones."""
        return [record.prompt for record in (*self.positive, *self.negative)]


@dataclass(frozen=True)
class Tested:
    """A direction on pairs that it was not made from."""

    direction: Direction
    recognised: Rate
    separation: float
    shuffled: tuple[Apart, ...]
    """Control: vectors from shuffled labels of the tested pairs."""
    random: tuple[Apart, ...]
    """Control: random directions."""
    length: Rate
    """Control: the numbers of tokens alone."""


def load_pairs(positive: str, negative: str) -> PromptPairs:
    """Loads two sets and pairs their prompts in order. The longer set loses its end.

    Raises:
        ValueError: both sets are the same, or have a prompt in common.
    """
    if positive == negative:
        raise ValueError(
            f"both sides are the same set, {positive!r}; give prompts without the concept on the negative side."
        )
    sides = [load_prompts(path) for path in (positive, negative)]
    common = {record.prompt for record in sides[0]} & {record.prompt for record in sides[1]}
    if common:
        raise ValueError(
            f"{positive!r} and {negative!r} have {counted(len(common), 'prompt')} in common, such as "
            f"{min(common)[:60]!r}; leave each out of one, as a prompt either has the concept or not."
        )
    count = min(map(len, sides))
    for path, side in zip((positive, negative), sides, strict=True):
        if len(side) > count:
            logger.warning("%r has %d prompts: the first %d are used, one a pair.", path, len(side), count)
    return PromptPairs(sides[0][:count], sides[1][:count])


@checked_call
def find_direction(
    model: str,
    positive: str,
    negative: str,
    out: str | Path,
    *,
    layer: int | None = None,
    as_text: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress = silent,
) -> tuple[Direction, Found]:
    """Finds a direction on one half of the pairs, tests it on the other half, and saves it.

    Example:
        >>> harmful, harmless = "testbed:harmful_calibration#first=40", "testbed:harmless#first=40"
        >>> direction, found = find_direction("testbed:aligned", harmful, harmless, "direction.safetensors")
        >>> print(found)

    Args:
        model: folder or hub id.
        positive: prompts of the side to which the direction points, a file or a built-in set.
        negative: prompts of the other side. The n-th of both form a pair.
        out: file for the direction. One that exists is refused, unless `overwrite` is True.
        layer: layer of the states. None takes the one that tells the first half apart best.
        as_text: True reads the prompts as plain text, without the chat template.
        seed: seed of the split into halves.
        overwrite: True replaces an existing file.
        progress: called with a label, the steps done and all steps.

    Returns:
        The direction, and how well it and its controls tell the second half's pairs apart.

    Raises:
        ValueError: an input is missing or wrong, there are fewer than ten pairs, or the model has no such layer.
    """
    _require_names(model, positive, negative, out)
    require_seed(seed)
    out = Path(out)
    require_ending(out, ".safetensors")
    refuse_unwritable(out) if overwrite else refuse_existing(out)
    pairs = load_pairs(positive, negative)
    split_pairs(len(pairs), seed)  # refuses too few of them before the model is read
    loaded = load_model(model, progress=progress)
    _refuse_no_layer(layer, loaded)
    states, lengths = _read(loaded, pairs, as_text, progress)
    found = find_in_states(*states, lengths, layer=layer, seed=seed)
    _warn_of(found.recognition)
    made_by: Meta = {
        **version(),
        "model": model_entry(model, loaded.base),
        "method": "difference_in_means",
        "position": "last",
        "as_text": as_text,
        "seed": seed,
        "recognised": _meta(found.recognition),
        "positive": prompts_entry(pairs.positive, positive),
        "negative": prompts_entry(pairs.negative, negative),
    }
    direction = Direction(found.vector, found.layer, found.norm, loaded.base, made_by)
    save_direction(out, direction)
    return direction, found


def _require_names(model: object, positive: object, negative: object, out: object) -> None:
    """Raises ValueError for an argument of `find_direction` that is an object in place of a name."""
    require_model_name(model)
    require_set_name(positive)
    require_set_name(negative)
    require_name(out, "a file to write the direction to", "give a path such as 'direction.safetensors'")


def recognise_on_files(model: str, path: Path, positive: str, negative: str, progress: Progress = silent) -> Tested:
    """Counts the pairs of other prompts that a direction recognises.

    Raises:
        ValueError: an input is missing or wrong, the direction is of another model, or it was made from these prompts.
    """
    direction, pairs = load_direction(path), load_pairs(positive, negative)
    if shared := count_shared(direction.made_by, [*pairs.positive, *pairs.negative]):
        raise ValueError(
            f"{shared} of these prompts made the direction {str(path)!r} or chose its layer; test it on other prompts."
        )
    loaded = load_model(model, progress=progress)
    refuse_other_base(f"the direction {str(path)!r}", direction, loaded.base, loaded.name)
    states, lengths = _read(loaded, pairs, bool(direction.made_by.get("as_text")), progress)
    length = counted_rate(*tell_by_length(lengths, lengths))
    positives, negatives = (side[direction.layer] for side in states)
    found = recognise(direction.vector, positives, negatives)
    _warn_of_length(length, counted_rate(*found.recognised))
    controls = chance_controls(positives, negatives, CONTROL_SEED)
    warn_of_random(_apart(found), [_apart(one) for one in controls[1]])
    return Tested(direction, counted_rate(*found.recognised), found.separation, *controls, length)


def transplant_on_files(
    source: str,
    target: str,
    path: Path,
    sets: Sequence[str],
    out: Path,
    *,
    as_text: bool = False,
    layer: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Direction, list[Transplant]]:
    """Carries a direction from its model into another one, and saves it there.

    Args:
        source: model of the direction.
        target: model to carry it into.
        path: file of the direction.
        sets: names or files of prompt sets, which both models read.
        out: file for the carried direction.
        as_text: reads the prompts as they are, as sentences. False reads each in the model's chat template.
        layer: layer of the target. None takes the one that the map explains best.
        seed: seed of the parts that fit, choose and test the map.
        progress: is told how far the work is.

    Raises:
        ValueError: an input is missing or wrong, the direction is not of the source, or there are too few texts.
    """
    refuse_existing(out)
    records = [Prompt(one.prompt) for name in sets for one in load_prompts(name)]
    require_enough(len(records))
    direction, texts = load_direction(path), [one.prompt for one in records]
    first = load_model(source, progress=progress)
    refuse_other_base(f"the direction {str(path)!r}", direction, first.base, first.name)
    from_source = last_states(first.model, first.tokenizer, texts, as_text=as_text, progress=progress)[direction.layer]
    del first  # both models need not fit into memory together
    second = load_model(target, progress=progress)
    _refuse_no_layer(layer, second)
    into = last_states(second.model, second.tokenizer, texts, as_text=as_text, progress=progress)
    fitted = fit_transplant(from_source, into, layer=layer, seed=seed)
    best = max(fitted, key=lambda one: one.explained)
    made_by: Meta = {
        **version(),
        "model": model_entry(target, second.base),
        "method": "transplant",
        "direction": {"file": str(path), "layer": direction.layer, "made_by": direction.made_by},
        "sentences" if as_text else "prompts": prompts_entry(records, ", ".join(sets)),
        "rank": best.rank,
        "explained": best.explained,
        "shuffled": best.shuffled,
        "as_text": bool(direction.made_by.get("as_text")),
    }
    norm = float(into[best.layer].norm(dim=1).median())
    carried = Direction(direction.vector @ best.matrix, best.layer, norm, second.base, made_by)
    save_direction(out, carried)
    return carried, fitted


def _refuse_no_layer(layer: int | None, loaded: LoadedModel) -> None:
    """Raises ValueError for a layer that a model does not have, before it reads any prompt."""
    candidate_layers(layer, len(residual_sites(loaded.model)), "this model")


def _read(
    loaded: LoadedModel, pairs: PromptPairs, as_text: bool, progress: Progress
) -> tuple[tuple[Tensor, Tensor], list[tuple[int, int]]]:
    """Reads the states of both sides, and the numbers of tokens of each pair."""
    sequences = encode_prompts(loaded.model, loaded.tokenizer, pairs.texts, as_text=as_text)
    states = states_of(loaded.model, loaded.tokenizer, sequences, progress)
    lengths, count = [len(ids) for ids in sequences], len(pairs)
    return (states[:, :count], states[:, count:]), list(zip(lengths[:count], lengths[count:], strict=True))


def _meta(recognition: Recognition) -> dict[str, object]:
    return {
        "direction": _apart(recognition.direction),
        "shuffled": [_apart(drawn) for drawn in recognition.shuffled],
        "random": [_apart(drawn) for drawn in recognition.random],
        "length": list(recognition.length),
        "p_shuffled": recognition.p_shuffled,
    }


def _apart(vector: Apart) -> dict[str, object]:
    return {"recognised": list(vector.recognised), "separation": vector.separation}


def _warn_of(recognition: Recognition) -> None:
    """Warns where lengths, chance or a random direction tell the pairs apart as well as the direction does."""
    own = recognition.direction
    _warn_of_length(counted_rate(*recognition.length), counted_rate(*own.recognised))
    _warn_of_chance(recognition)
    warn_of_random(_apart(own), [_apart(one) for one in recognition.random])


def _warn_of_chance(recognition: Recognition) -> None:
    """Warns if vectors from shuffled labels separate the held-out pairs about as well as the direction."""
    if recognition.p_shuffled > LEVEL:
        own = recognition.direction
        logger.warning(
            "the direction is not distinguishable from shuffled labels: it tells %.2f of the held-out pairs apart, "
            "with a separation of %.2f, and shuffled labels reach %.2f (p %.2f); give more pairs, 60 or more, or "
            "prompts that differ more clearly in the concept.",
            own.recognised.share,
            own.separation,
            max(abs(drawn.separation) for drawn in recognition.shuffled),
            recognition.p_shuffled,
        )


def warn_of_random(own: Mapping[str, Any], random: Sequence[Mapping[str, Any]]) -> None:
    """Warns if a random direction tells as many pairs apart as the direction, so that its share shows nothing.

    Args:
        own: the direction's counts and separation, as its file records them.
        random: those of the random directions.
    """
    count, n = own["recognised"]
    most = max((drawn["recognised"][0] for drawn in random), default=-1)
    if n and most >= count:
        logger.warning(
            "a random direction tells %d of %d tested pairs apart, and the direction %d, so the share alone shows "
            "nothing; compare the mean / spread of the margin, which is %.2f, and up to %.2f for random directions.",
            most,
            n,
            count,
            own["separation"],
            max(abs(drawn["separation"]) for drawn in random),
        )


def _warn_of_length(by_length: Rate, own: Rate) -> None:
    """Warns if the numbers of tokens alone tell most pairs apart, or as many as the direction does."""
    if by_length.value is not None and (
        by_length.value >= SEPARATES or (own.value is not None and by_length.value >= own.value)
    ):
        logger.warning(
            "the number of tokens alone tells %.0f%% of the pairs apart, so the direction may stand for length; choose "
            "prompts of similar lengths.",
            100 * by_length.value,
        )
