"""Records in a script's evaluation which weights, judges and settings made it, so that two can be compared.

A command records more: the files of the prompt sets, and how prompts are rendered. Where a script made one of two
evaluations, the entries that both have are compared.
"""

from holdfast.judge import coherence
from holdfast.judge.ask import Judge
from holdfast.made_by import Meta, model_entry, version
from holdfast.models.fingerprints import fingerprint
from holdfast.models.load import LoadedModel
from holdfast.models.options import GenerateOptions
from holdfast.models.served import ServedModel

BATCHING = {"token_budget", "gpu_share"}
"""Options of generation that change memory and time, not responses."""


def recorded(
    loaded: LoadedModel | ServedModel, judge: Judge | None, refusal_judge: Judge, options: GenerateOptions
) -> Meta:
    """Returns the provenance of a script's evaluation. Reads every present weight of the model once."""
    return {
        "model": _model_entry(loaded),
        "judge": _judge_entry(judge),
        "refusal_judge": getattr(refusal_judge, "fingerprint", None),
        "coherence": {"rules": coherence.fingerprint()},
        "generation": generation_entry(options),
        **version(),
    }


def generation_entry(options: GenerateOptions) -> dict[str, object]:
    """Returns the options of generation on which responses depend."""
    return options.model_dump(mode="json", exclude=BATCHING)


def _model_entry(loaded: LoadedModel | ServedModel) -> dict[str, str]:
    """Returns the model's name, and its fingerprint where that identifies the model.

    A model in `steered` has hooks, and answers otherwise than its weights alone. An offloaded one has none to read.
    """
    if isinstance(loaded, ServedModel) or any(weight.is_meta for weight in loaded.model.parameters()):
        return {"name": loaded.name}
    modules = list(loaded.model.modules())
    if any(module._forward_hooks or module._forward_pre_hooks for module in modules):
        return {"name": loaded.name}
    return model_entry(loaded.name, fingerprint(loaded.model))


def _judge_entry(judge: Judge | None) -> dict[str, object] | None:
    """Returns the judge's fingerprint. A judge without one, as users write them, is recorded by its class."""
    known = getattr(judge, "fingerprint", None)
    name = {} if known else {"name": type(judge).__name__}
    return None if judge is None else {**name, "fingerprint": known}
