"""The specification of a scoring: a model, prompts and options, with checks that they do not contradict each other."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from holdfast.arguments import require_name, require_options, require_seed
from holdfast.distributed import first, world_size
from holdfast.endings import require_ending
from holdfast.models.load import LoadedModel, refuse_one_place, require_model_name
from holdfast.models.locate import TESTBED
from holdfast.models.options import GenerateOptions
from holdfast.objective.registry import OBJECTIVES, ObjectiveRecord
from holdfast.pipeline.judges import has_weights, refuse_idle, require_judge_name
from holdfast.pipeline.objectives import refuse_contradictions, refuse_other_unit
from holdfast.pipeline.options import (
    JudgeOptions,
    LayerWiseOptions,
    NeuronOptions,
    ScoringOptions,
    refuse_generating,
    refuse_judging,
    refuse_no_gradient,
)
from holdfast.pipeline.outputs import refuse_unwritable
from holdfast.pipeline.rendering import rendering_of
from holdfast.pipeline.scoring_files import (
    convergence_of,
    examples_of,
    files_of,
    refuse_outputs,
    responses_of,
    stability_of,
)
from holdfast.prompts.locate import require_set_name
from holdfast.score import NEURON_SCORES
from holdfast.score.convergence import FEWEST
from holdfast.score.layer_scores import refuse_other_needs
from holdfast.score.registry import SCORES
from holdfast.values import Scores

logger = logging.getLogger(__name__)
STEADY = 64
"""Fewest prompts whose scores we call steady (docs/own-model.md)."""
SET_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".txt", ".parquet")
"""Ends of the names of prompt files."""


@dataclass(frozen=True, kw_only=True)
class ScoringSpec:
    """All inputs that determine the scores of a file."""

    model: str
    prompts: str
    """Harmful prompts, or the exchanges that an objective of given responses reads."""
    out: Path
    judge: str | None = None
    """Name of the judge. None for objectives of given responses."""
    options: ScoringOptions = field(default_factory=ScoringOptions)
    judging: JudgeOptions = field(default_factory=JudgeOptions)
    generation: GenerateOptions = field(default_factory=GenerateOptions)
    layers: LayerWiseOptions = field(default_factory=LayerWiseOptions)
    neurons: NeuronOptions = field(default_factory=NeuronOptions)
    seed: int = 0
    overwrite: bool = False
    """True replaces the files of an earlier scoring once the new scores are there."""

    @property
    def by_neuron(self) -> bool:
        """True where neurons are scored in place of weights."""
        return self.neurons.unit == "neuron"

    @property
    def objective(self) -> ObjectiveRecord:
        """The record of the objective."""
        return OBJECTIVES[self.options.objective]

    @property
    def uses_objective(self) -> bool:
        """True for scores of an objective: attributions to neurons, and of weights by a formula over gradients."""
        if self.by_neuron:
            return not self.compares_prompts
        return SCORES[self.options.method].uses_objective

    @property
    def compares_prompts(self) -> bool:
        """True for scores of neurons by their activations on two prompt sets. A named objective's prompts are read."""
        return self.neurons.compares(self.options) and "objective" not in self.options.model_fields_set

    @property
    def uses_prompts(self) -> bool:
        """True for scores that are measured on prompts."""
        return self.by_neuron or SCORES[self.options.method].uses_prompts

    @property
    def judged(self) -> bool:
        """True where a judge rates the model's responses."""
        return self.uses_objective and not self.objective.given

    @property
    def outputs(self) -> list[Path]:
        """Paths of the files that the scoring writes."""
        if self.layers.layer_wise:
            return [*files_of(self.out), *([stability_of(self.out)] if self.layers.keep else [])]
        makes_responses = self.uses_prompts and not self.objective.given and not self.compares_prompts
        responses = [responses_of(self.out)] if makes_responses else []
        beside = examples_of(self.out) if self.by_neuron else convergence_of(self.out)
        return [*files_of(self.out), *responses, beside]

    def settings(self, loaded: LoadedModel) -> dict[str, object]:
        """Returns the settings that all unfinished work depends on, for any objective and way of scoring."""
        return {
            "model": loaded.base,
            "options": self.options.model_dump(mode="json"),
            "seed": self.seed,
            **({"neurons": self.neurons.model_dump(mode="json")} if self.by_neuron else {}),
            "rendering": rendering_of(loaded.tokenizer),
        }


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores that a scoring has written."""

    scores: Scores
    """Scores of all prompts. After layer-wise scoring they have names, shapes and metadata, and no values."""
    largest: Mapping[str, float]
    """Largest score of every parameter."""
    agreement: Mapping[str, float | None] | None = None
    """For masks, the IoU of the masks of two halves, and that of random masks."""
    completeness_error: float | None = None
    """For attributions to neurons, the share of the objective's differences that they miss."""


def require_spec(spec: ScoringSpec) -> ScoringSpec:
    """Returns the checked specification, with its file as a path.

    Raises:
        ValueError: a result exists already, an argument has the wrong type, or a setting contradicts the objective, the
            judge, the way of scoring or the number of processes.
    """
    _require_names(spec)
    require_seed(spec.seed)
    spec = replace(spec, out=Path(spec.out))
    require_ending(spec.out, ".safetensors")
    if spec.overwrite:
        first(lambda: refuse_unwritable(spec.out))
    else:
        first(lambda: refuse_outputs(spec.outputs, spec.out))
    if spec.by_neuron:
        _refuse_by_neuron(spec)
    elif spec.layers.layer_wise:
        _refuse_by_layer(spec)
    else:
        _refuse_unshardable(spec.options)
        _refuse_unshardable_judge(spec.options, spec.judge)
    if not spec.uses_objective:
        _refuse_no_objective(spec)
    elif spec.objective.given:
        refuse_judging(spec.options.objective, spec.judge, spec.judging)
        _refuse_making_responses(spec)
        refuse_contradictions(spec.options, GenerateOptions(), spec.neurons)
    else:
        assert spec.judge is not None
        refuse_contradictions(spec.options, spec.generation, spec.neurons)
        refuse_no_gradient(spec.options.objective, spec.judge)
        refuse_idle(spec.judging, spec.judge)
        _require_responses_by_layer(spec)
    return spec


def with_useful_curve(spec: ScoringSpec, prompts: Sequence[str]) -> ScoringSpec:
    """Drops convergence with a warning when there are too few prompts for a second size."""
    distinct = len(set(prompts))
    if not spec.options.convergence or distinct >= FEWEST:
        return spec
    logger.warning(
        "convergence compares halves of 8, 16, 32 ... prompts and needs %d distinct prompts or more, got %d; it is "
        "left out, and the agreement of the two halves is printed anyway.",
        FEWEST,
        distinct,
    )
    return replace(spec, options=spec.options.model_copy(update={"convergence": False}))


def warn_of_few(spec: ScoringSpec, prompts: Sequence[str]) -> None:
    """Warns where a model of the user is scored on few prompts. Built-in models serve examples, which are small."""
    distinct = len(set(prompts))
    if distinct < STEADY and not spec.model.startswith(TESTBED):
        logger.warning(
            "only %d distinct prompts are scored, and other prompts would give other scores; take at least %d, better "
            "128 or more.",
            distinct,
            STEADY,
        )


def _require_names(spec: ScoringSpec) -> None:
    """Raises ValueError for an argument that is an object in place of a name, because the outputs record names."""
    require_model_name(spec.model)
    require_set_name(spec.prompts)
    _refuse_swapped(spec)
    require_name(spec.out, "a file to write the scores to", "give a path such as 'scores.safetensors'")
    require_options(spec.options, ScoringOptions)
    refuse_other_unit(spec.neurons.method(spec.options), spec.neurons.unit)
    require_options(spec.judging, JudgeOptions)
    require_options(spec.generation, GenerateOptions)
    if spec.judged and not spec.neurons.compares(spec.options):
        require_judge_name(spec.judge)


def _refuse_by_neuron(spec: ScoringSpec) -> None:
    """Raises ValueError for options that scoring neurons does not have, or for missing prompts to compare with."""
    options, name = spec.options, spec.neurons.method(spec.options)
    idle = {"layer-wise": spec.layers.layer_wise, "convergence": options.convergence, "shard": options.shard}
    if given := [option for option, is_given in idle.items() if is_given]:
        raise ValueError(f"{given[0]} is for scores of weights; leave it out, or score weights.")
    if options.shard_judge or world_size() > 1:
        raise ValueError("neurons are scored in one process; start the command without torchrun and accelerate.")
    compares = name in NEURON_SCORES and NEURON_SCORES[name].compare is not None
    if compares and spec.neurons.against is None:
        raise ValueError(
            f"method {name} compares activations with those of other prompts; name their set or file as against."
        )
    if compares and spec.judge is not None:
        raise ValueError(f"method {name} compares activations and uses no judge, but got {spec.judge!r}; leave it out.")
    if compares and not spec.compares_prompts and not spec.objective.given:
        raise ValueError(
            f"method {name} compares activations and uses no objective, but got {spec.options.objective}; leave the "
            "objective out."
        )
    if spec.neurons.against is not None:
        require_set_name(spec.neurons.against)


def _refuse_swapped(spec: ScoringSpec) -> None:
    """Raises ValueError where the model is a file of prompts, or the prompts are the folder of a model."""
    if Path(spec.model).suffix.lower() in SET_SUFFIXES and Path(spec.model).is_file():
        what = f"{str(spec.model)!r} is a file of prompts, and was given as the model"
    elif (Path(spec.prompts) / "config.json").is_file():
        what = f"{str(spec.prompts)!r} is the folder of a model, and was given as the prompts"
    else:
        return
    raise ValueError(f"{what}; give the model first and the prompts second (were the two swapped?).")


def _refuse_no_objective(spec: ScoringSpec) -> None:
    """Raises ValueError for options of an objective or of prompts that the formula ignores. A judge may be given."""
    method = spec.options.method
    if spec.options.convergence and not spec.uses_prompts:
        raise ValueError(f"method {method} uses no prompts, so more prompts change nothing; leave convergence out.")
    if spec.options.shard_judge:
        raise ValueError(f"shard-judge spreads the weights of a judge, and method {method} uses none; leave it out.")
    if spec.options.reduction is not None:
        raise ValueError(f"method {method} reduces no objective over tokens; leave the reduction out.")
    makes_responses = spec.uses_prompts and not spec.objective.given and not spec.compares_prompts
    if spec.generation.model_fields_set and not makes_responses:
        raise ValueError(f"method {method} makes no responses here; leave the options of generation out.")


def _refuse_by_layer(spec: ScoringSpec) -> None:
    """Raises ValueError for options that layer-wise scoring does not have."""
    refuse_other_needs(spec.options.method)
    if spec.options.convergence:
        raise ValueError("convergence compares scores of the whole model again and again; leave it or layer-wise out.")
    if spec.options.shard or spec.options.shard_judge or world_size() > 1:
        raise ValueError(
            "layer-wise scoring works in one process; start it without torchrun and accelerate and leave shard and "
            "shard-judge out, or leave layer-wise out."
        )
    if spec.generation.model_fields_set and not spec.objective.given:
        raise ValueError(
            "layer-wise scoring makes no responses; leave the options of generation out, and give responses."
        )


def _require_responses_by_layer(spec: ScoringSpec) -> None:
    if spec.layers.layer_wise and spec.layers.responses is None:
        raise ValueError(
            f"objective {spec.options.objective} takes the model's responses, which it can't make one layer at a time; "
            "give responses, the OUT_responses.jsonl of a scoring on a host that holds the model."
        )


def _refuse_making_responses(spec: ScoringSpec) -> None:
    """Raises ValueError for options that make or read responses, with an objective of given responses."""
    objective = spec.options.objective
    refuse_generating(objective, spec.generation)
    if spec.layers.responses is not None:
        raise ValueError(f"objective {objective} has its responses beside the prompts; leave responses out.")


def _refuse_unshardable(options: ScoringOptions) -> None:
    """Raises ValueError for sharding with a single place for the model, or with convergence."""
    refuse_one_place(sharded=options.shard)
    if options.shard and options.convergence:
        raise ValueError(
            "convergence compares whole rankings, and with shard no process has one; leave one of them out."
        )


def _refuse_unshardable_judge(options: ScoringOptions, judge: str | None) -> None:
    """Raises ValueError for a sharded judge without a second process, or without a judge that is loaded here."""
    if not options.shard_judge:
        return
    if judge is None or not has_weights(judge):
        reason = f"the judge {judge!r} has none here" if judge else f"objective {options.objective} uses none"
        raise ValueError(f"shard-judge spreads the weights of a judge over processes, and {reason}; leave it out.")
    if world_size() == 1:
        raise ValueError(
            "shard-judge spreads the judge over several processes, and there is one; start them with "
            "`torchrun --nproc-per-node N -m holdfast score ...`, or leave it out."
        )
