"""Records a model that a server answers for, and refuses what can't be measured without its weights."""

from collections.abc import Mapping

from holdfast.evaluate.lm_eval_tasks import LmEvalOptions
from holdfast.made_by import version
from holdfast.models.gguf_file import is_gguf, require_gguf
from holdfast.models.options import GenerateOptions, ServedOptions
from holdfast.models.served import ServedModel
from holdfast.pipeline.inputs import suite_hashes
from holdfast.pipeline.options import MeasureOptions, SuiteFiles
from holdfast.pipeline.recipe import Recipe

ITS_OWN = "the server's own"


def refuse_unreadable(recipe: Recipe) -> None:
    """Raises ValueError for a recipe without a model or with two, or with options that its model can't follow."""
    require_one_model(recipe.model, recipe.served)
    if recipe.model is None:
        refuse_weights(recipe.measures, recipe.generation, recipe.lm_eval)
        if recipe.steering.is_on:
            raise ValueError(
                "--steer.direction moves the states of a model in this process, and the server's lie elsewhere; give "
                "the checkpoint as MODEL, or leave it out."
            )
    else:
        refuse_gguf_engine(recipe.model, recipe.generation)
        if recipe.steering.is_on and recipe.generation.engine != "transformers":
            raise ValueError(
                f"engine {recipe.generation.engine} answers with a model of its own, whose states can't be moved; "
                "leave generate.engine out, or --steer.direction."
            )


def require_one_model(model: str | None, served: ServedOptions) -> None:
    """Raises ValueError unless either a model or a server is given, and not both."""
    if model is None and served.served is None:
        raise ValueError("there is no model; give a folder, a hub id, testbed:NAME or a GGUF file, or --served URL.")
    if model is not None and served.served is not None:
        raise ValueError(
            f"the model {model!r} and a server were both given; leave MODEL out, as the server answers with its own "
            "(--served-model chooses one of several)."
        )


def refuse_weights(measures: MeasureOptions, generation: GenerateOptions, lm_eval: LmEvalOptions) -> None:
    """Raises ValueError for options that need the weights of a model, or more of a server than responses."""
    given = {
        "--prefill": measures.prefill,
        "--reference": measures.reference,
        "--lm-eval": lm_eval.tasks,
        "--generate.engine": generation.engine if generation.engine != "transformers" else None,
    }
    if needing := [option for option, value in given.items() if value]:
        raise ValueError(
            f"{needing[0]} needs the model's weights, and a server gives responses only; leave it out, or evaluate the "
            "checkpoint itself."
        )


def refuse_gguf_engine(model: str, generation: GenerateOptions) -> None:
    """Raises ValueError when a GGUF file can't be read, or should answer through an engine that reads it otherwise."""
    if not is_gguf(model):
        return
    require_gguf(model)
    if generation.engine != "transformers":
        raise ValueError(
            f"engine {generation.engine} reads a GGUF file in its own way; leave --generate.engine out, or start a "
            "server with it and give --served URL."
        )


def served_entry(served: ServedModel, files: SuiteFiles, generation: GenerateOptions) -> dict[str, object]:
    """Returns the provenance of a served model's responses, with what only the server knows named as such."""
    settings: Mapping[str, object] = generation.model_dump(mode="json", include={"max_new_tokens", "num_samples"})
    sampling: dict[str, object] = {"sampling": ITS_OWN}
    if served.options.served_sampling == "asked":
        settings = {**settings, **generation.model_dump(mode="json", include={"temperature", "seed"})}
        sampling = {"sampling": f"temperature {generation.temperature:g}, other settings {ITS_OWN}"}
    return {
        "model": {"name": served.name},
        "served": {"address": served.address, "chat_template": ITS_OWN, **sampling},
        "generation": settings,
        "suite": suite_hashes(files),
        **version(),
    }
