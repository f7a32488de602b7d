"""Early warning during training: how far the direction of refusal has turned. It needs no judge and no responses."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.arguments import checked_call
from holdfast.directions.difference_in_means import difference_in_means
from holdfast.directions.finding import FEWEST_PAIRS, best_layer, candidate_layers, rate_layer
from holdfast.directions.states import last_states
from holdfast.models.load import require_tokenizer
from holdfast.prompts.sources import load_prompts
from holdfast.records import Prompt, require_records


@checked_call
def direction_turn_probe(
    tokenizer: PreTrainedTokenizerBase,
    harmful: Sequence[Prompt] | str | Path,
    harmless: Sequence[Prompt] | str | Path,
    layer: int | None = None,
) -> Callable[[PreTrainedModel], float]:
    """Makes a function that measures how far the refusal direction has turned since its first call, for `SafetyProbe`.

    The number is 1 - cosine(v, v_start), v the mean state of the harmful prompts minus that of the harmless ones at the
    last token of the prompt. 0 means no turn, 1 a right angle. `SafetyProbe` makes the first call before training. How
    well the number foretells a loss of safety differs between models and tasks, so measure responses as well.

    Args:
        tokenizer: the model's tokenizer.
        harmful: harmful prompts, or the name or file of a set of them.
        harmless: harmless prompts of similar lengths. Pairs are made in order, and the longer set loses its end.
        layer: layer whose output is read. None takes the one that separates the pairs best at the first call.

    Raises:
        ValueError: the tokenizer is missing, or there are fewer than ten pairs.
    """
    require_tokenizer(tokenizer)
    sides = [_prompts("harmful", harmful), _prompts("harmless", harmless)]
    count = min(map(len, sides))
    if count < FEWEST_PAIRS:
        raise ValueError(
            f"the direction needs {FEWEST_PAIRS} harmful and {FEWEST_PAIRS} harmless prompts or more, got "
            f"{len(sides[0])} and {len(sides[1])}; give more."
        )
    texts = [prompt.prompt for side in sides for prompt in side[:count]]
    start: list[torch.Tensor] = []
    chosen: list[int] = []

    def measure(model: PreTrainedModel) -> float:
        states = last_states(model, tokenizer, texts)
        positive, negative = states[:, :count], states[:, count:]
        if not chosen:
            candidates = candidate_layers(layer, len(states), "this model")
            chosen.append(
                best_layer([rate_layer(number, positive[number], negative[number], 0) for number in candidates])
            )
        vector = difference_in_means(positive[chosen[0]], negative[chosen[0]])
        if not start:
            start.append(vector)
        return 1.0 - float(torch.cosine_similarity(vector.double(), start[0].double(), dim=0))

    return measure


def _prompts(kind: str, given: Sequence[Prompt] | str | Path) -> Sequence[Prompt]:
    if isinstance(given, str | Path):
        return load_prompts(given)
    require_records(f"the {kind} prompts", given, Prompt)
    return given
