"""Items for scores without an objective: nothing is differentiated, and at most the items' tokens count."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.models.response_log import Response
from holdfast.objective.completions import Completion


class NoObjective:
    """Completions for a score that uses no gradient, such as Wanda's or the size of a weight."""

    unit = ""

    def __init__(self, completions: Sequence[Completion]) -> None:
        self.completions = completions

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """Raises ValueError, because a score without an objective has no gradient."""
        raise ValueError("these items have no objective to differentiate; choose a score that needs no gradient.")

    def describe(self) -> dict[str, object]:
        """Returns no entries, so that the scores record no objective."""
        return {}


def of_responses(responses: Sequence[Response]) -> NoObjective:
    """Makes the items from a model's own responses. Raises ValueError when none of them has a token."""
    if not any(response.token_ids for response in responses):
        raise ValueError(f"none of {len(responses)} responses has a token; generate with max_new_tokens above 0.")
    return NoObjective([
        Completion(
            response.prompt,
            response.prompt_ids + response.token_ids,
            list(range(len(response.prompt_ids), len(response.prompt_ids) + len(response.token_ids))),
        )
        for response in responses
    ])  # fmt: skip


def of_prompts(prompts: Sequence[str], token_ids: Sequence[list[int]]) -> NoObjective:
    """Makes an item of every prompt and its token ids, which wait for a response."""
    return NoObjective([Completion(prompt, ids, []) for prompt, ids in zip(prompts, token_ids, strict=True)])


def without_prompts(seed: int) -> NoObjective:
    """Makes two empty items, one for each half, named after the seed. Random scores draw their noise by the name."""
    return NoObjective([Completion(f"half {half} of seed {seed}", [], []) for half in (1, 2)])
