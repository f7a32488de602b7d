"""The recipe of an evaluation: all that `holdfast reproduce` needs to make it again, and to know that it is the same.

The settings are the options of the command. The inputs are hashes of the weights, the judges, the prompt files, the
rendered prompts and the end tokens. The versions and the device explain small differences, and are no input.
"""

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import cast

import holdfast
from holdfast.config import Options
from holdfast.evaluate.lm_eval_tasks import LmEvalOptions
from holdfast.intervene.edit.options import SteeringOptions
from holdfast.json_files import digest
from holdfast.made_by import Meta
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions, ServedOptions
from holdfast.models.served import ServedModel
from holdfast.pipeline.inputs import prompt_sets
from holdfast.pipeline.options import JudgeOptions, MeasureOptions, SuiteFiles

RECIPE_ENTRIES = ("recipe", "prompt_sets", "versions", "device")
"""Entries of an evaluation's provenance that `recipe_entry` makes."""
LIBRARIES = ("torch", "transformers")
HASHED = {
    "judge": "judge",
    "model": "model",
    "reference": "reference model",
}
"""Entries of an evaluation's provenance that hold a fingerprint, with their words."""


class Recipe(Options):
    """All options of one `holdfast evaluate`."""

    model: str | None
    """The checkpoint. None where a server answers."""
    served: ServedOptions = ServedOptions()
    """The server that answers, if any."""
    judge: str
    """Judge of responses to harmful prompts."""
    refusal_judge: str | None = None
    """Judge of refusals. None for the refusal rules."""
    suite: SuiteFiles
    """The prompt sets."""
    judging: JudgeOptions = JudgeOptions()
    """Options of the judges."""
    generation: GenerateOptions = GenerateOptions()
    """Options of generation."""
    measures: MeasureOptions = MeasureOptions()
    """Further measures."""
    lm_eval: LmEvalOptions = LmEvalOptions()
    """Tasks of lm-eval."""
    steering: SteeringOptions = SteeringOptions()
    """Direction along which the model is steered, if any."""


def recipe_entry(recipe: Recipe, model: LoadedModel | ServedModel) -> dict[str, object]:
    """Makes the entries of an evaluation's provenance for its recipe: settings, prompt sets and versions."""
    return {
        "recipe": recipe.model_dump(mode="json", exclude=None if recipe.steering.is_on else {"steering"}),
        "prompt_sets": prompt_sets(recipe.suite),
        "versions": versions(),
        "device": _device(model),
    }


def _device(model: LoadedModel | ServedModel) -> dict[str, str]:
    if isinstance(model, ServedModel):
        return {"kind": "server", "dtype": "not known"}
    return {"kind": model.model.device.type, "dtype": str(model.model.dtype).removeprefix("torch.")}


def versions() -> dict[str, str]:
    """Returns the versions of holdfast, Python and the libraries that compute results."""
    libraries = {name: version(name) for name in LIBRARIES}
    return {"holdfast": holdfast.__version__, "python": platform.python_version(), **libraries}


def inputs_of(made_by: Meta) -> dict[str, str]:
    """Returns the hash of every input in an evaluation's provenance, by its name in words."""
    return dict(_inputs(made_by))


def _inputs(made_by: Meta) -> Iterator[tuple[str, str]]:
    for entry, words in HASHED.items():
        if fingerprint := _within(made_by, entry).get("fingerprint"):
            yield words, str(fingerprint)
    others = {
        "judge of refusals": made_by.get("refusal_judge"),
        "rules of coherence": _within(made_by, "coherence").get("rules"),
    }
    yield from ((words, str(value)) for words, value in others.items() if value)
    if end_ids := _within(made_by, "responses").get("end_ids"):
        yield "end tokens", digest(end_ids)
    for measure, hashes in _within(made_by, "suite").items():
        if hashes:
            yield f"{measure} prompts", " + ".join(map(str, cast(Sequence[str], hashes)))
    for measure, rendered in _within(made_by, "rendering").items():
        yield f"{measure}, as rendered for the model", rendered if isinstance(rendered, str) else digest(rendered)


def _within(made_by: Meta, entry: str) -> Mapping[str, object]:
    value = made_by.get(entry)
    return value if isinstance(value, Mapping) else {}
