"""A model beside its reference: how far its next tokens have moved, on questions and on harmless prompts.

Two groups: kl/questions on the questions with their right answers, kl/harmless on what the reference itself says to the
harmless prompts. Neither text depends on the model, so that checkpoints compared with one reference read the same.
"""

from holdfast.evaluate.divergence import divergence, refuse_other_tokens
from holdfast.evaluate.suite import Suite
from holdfast.models.generate import Generator
from holdfast.models.load import LoadedModel, architectures, load_model
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Rate
from holdfast.pipeline.options import MeasureOptions
from holdfast.progress import Progress, silent
from holdfast.records import Exchange


def refuse_idle_reference(suite: Suite, measures: MeasureOptions) -> None:
    """Raises ValueError when there is a reference and nothing to compare it on, or it is not there."""
    if measures.reference and not (suite.exchanges or suite.harmless):
        raise ValueError(
            f"the reference {measures.reference!r} is compared on questions or harmless prompts, and there are none; "
            "give --questions or --harmless, or leave --reference out."
        )
    if measures.reference:
        architectures(measures.reference)  # a folder or name that is wrong is told before the model is loaded


def load_reference(loaded: LoadedModel, measures: MeasureOptions, progress: Progress = silent) -> LoadedModel | None:
    """The reference, if there is one; ValueError where it has other tokens than the model."""
    if measures.reference is None:
        return None
    reference = load_model(measures.reference, progress=progress)
    refuse_other_tokens(loaded, reference)
    return reference


def reference_divergences(
    loaded: LoadedModel,
    reference: LoadedModel,
    suite: Suite,
    answering: Generator,
    generation: GenerateOptions,
    progress: Progress,
) -> dict[str, Rate]:
    """KL(reference || model) by group; `answering` are the reference's responses, one a prompt."""
    found = {"kl/questions": suite.exchanges} if suite.exchanges else {}
    if suite.harmless:
        once = generation.model_copy(update={"num_samples": 1})
        said = answering([prompt.prompt for prompt in suite.harmless], once, progress)
        found |= {"kl/harmless": [Exchange(one.prompt, one.record) for one in said if one.text.strip()]}
    return {
        name: divergence(loaded, reference, exchanges, progress=progress)
        for name, exchanges in found.items()
        if exchanges
    }
