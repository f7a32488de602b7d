"""Contestants of a bakeoff that select neurons. Each of their masks holds as many weights as those of the others.

A neuron's weights are its column of down_proj and its rows of gate_proj and up_proj. Scores of neurons are measured on
refusals to harmful prompts. Methods that compare activations compare them with those on harmless prompts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from holdfast.models.mlps import PARTS, find_mlps
from holdfast.models.sites import scorable_sites
from holdfast.models.stored import open_stored
from holdfast.pipeline.bakeoff_config import BakeoffConfig
from holdfast.pipeline.masks import WeightsOf, select
from holdfast.pipeline.options import NeuronOptions
from holdfast.pipeline.scoring_spec import ScoringSpec
from holdfast.score import NEURON_SCORES
from holdfast.values import entries_in

OBJECTIVE = "refusal_likelihood"
"""Objective of every score of neurons."""
SELECTORS = ("top", "random")
"""Selectors of neurons: every method goes with the first, and the first method with the others."""


def neuron_contestants(methods: Sequence[str]) -> list[tuple[str, str]]:
    """Lists methods with their selectors: all methods with the first selector, and the first one with the control."""
    return [*((method, SELECTORS[0]) for method in methods), *((methods[0], each) for each in SELECTORS[1:] if methods)]


def refuse_unmeasurable(config: BakeoffConfig) -> None:
    """Raises ValueError for an unknown score of neurons, or one whose prompts are missing."""
    for method in config.neurons:
        compares = NEURON_SCORES[method].compare is not None
        if config.refusals is None:
            raise ValueError(f"scores of neurons ({method}) need harmful prompts with refusals; set `refusals`.")
        if compares and config.calibration.utility is None:
            raise ValueError(f"{method} compares neurons with those on harmless prompts; set calibration.utility.")


def of_neurons(spec: ScoringSpec, config: BakeoffConfig, method: str) -> ScoringSpec:
    """Returns the scoring settings with neurons in place of weights."""
    assert config.refusals is not None
    against = config.calibration.utility if NEURON_SCORES[method].compare is not None else None
    return replace(spec, prompts=config.refusals, neurons=NeuronOptions(unit="neuron", against=against))


def neuron_fraction(model: str, fraction: float) -> float:
    """Returns the share of all neurons whose weights are this share of the scored weights. It loads no weight.

    Raises:
        ValueError: the neurons' weights are fewer than that.
    """
    empty = open_stored(model).model
    scored = sum(entries_in(site.shape) for site in scorable_sites(empty))
    axes = [(mlp, axis) for mlp in find_mlps(empty) for axis in mlp.axes.values()]
    share = fraction * scored / sum(axis.entries_each * entries_in(mlp.shape) for mlp, axis in axes)
    if share >= 1:
        raise ValueError(
            f"the neurons have fewer weights than {fraction:g} of the scored ones; give smaller fractions."
        )
    return share


def select_neurons(config: BakeoffConfig, scores: Path, selector: str, out: Path, shared: Mapping[str, object]) -> None:
    """Writes a mask of the weights of whole neurons, about the fraction of the scored weights."""
    fraction = neuron_fraction(config.model, float(str(shared["fraction"])))
    given = {"fraction": fraction, **({"seed": shared["seed"]} if selector == "random" else {})}
    select(scores, selector, out, given=given, weights=WeightsOf(config.model, PARTS))
