"""Compares a model's next-token predictions with a reference model's, on questions and on safe prompts.

There are three groups. kl/questions uses the questions with their right answers. kl/harmless and kl/borderline use the
reference's own responses to the harmless and the borderline prompts. No text depends on the model, so checkpoints
compared with one reference read the same text.
"""

from holdfast.evaluate.divergence import divergence, refuse_other_tokens
from holdfast.evaluate.suite import Suite
from holdfast.models.generate import Generator
from holdfast.models.gguf_file import is_gguf, load_checkpoint, require_gguf
from holdfast.models.load import LoadedModel, architectures
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Rate
from holdfast.pipeline.options import MeasureOptions
from holdfast.progress import Progress, silent
from holdfast.records import Exchange


def refuse_idle_reference(suite: Suite, measures: MeasureOptions) -> None:
    """Raises ValueError for a reference without prompts to compare it on, or one that does not exist."""
    if measures.reference and not (suite.exchanges or suite.harmless or suite.borderline):
        raise ValueError(
            f"the reference {measures.reference!r} is compared on questions, harmless or borderline prompts, and there "
            "are none; give --questions, --harmless or --borderline, or leave --reference out."
        )
    if measures.reference:  # a wrong name raises before the model is loaded
        require_gguf(measures.reference) if is_gguf(measures.reference) else architectures(measures.reference)


def load_reference(loaded: LoadedModel, measures: MeasureOptions, progress: Progress = silent) -> LoadedModel | None:
    """Loads the reference, if there is one. Raises ValueError when its tokens differ from the model's."""
    if measures.reference is None:
        return None
    reference = load_checkpoint(measures.reference, progress)
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
    """Measures KL(reference || model) by group. `answering` generates the reference's responses, one a prompt."""
    exchanges_by_group = {"kl/questions": suite.exchanges}
    if prompts := [*suite.harmless, *suite.borderline]:
        single = generation.model_copy(update={"num_samples": 1})
        responses = answering([prompt.prompt for prompt in prompts], single, progress)
        answered = [Exchange(response.prompt, response.record) for response in responses]
        harmless = len(suite.harmless)
        exchanges_by_group |= {"kl/harmless": answered[:harmless], "kl/borderline": answered[harmless:]}
    spoken = {name: [one for one in group if one.response.strip()] for name, group in exchanges_by_group.items()}
    return {
        name: divergence(loaded, reference, exchanges, progress=progress)
        for name, exchanges in spoken.items()
        if exchanges
    }
