"""P = sum over the given tokens of p(y_t | x, y_<t), or of log p(y_t | x, y_<t)   (probability, or nats; up = likelier)

All tokens before y_t are given, whatever the model would say (teacher forcing). DEPN (arXiv 2310.20138) attributes the
probabilities of a secret's tokens, IRCAN (arXiv 2406.18406) that of one token, the answer that the context supports.
The sum of log-probabilities is the log-probability of the whole response, or of the whole secret.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.objective.completions import (
    Completion,
    completion_logits,
    reduce_completions,
    said_log_probabilities,
)
from holdfast.objective.material import Made, Material
from holdfast.objective.response_likelihood import completion_of_exchange


class TokenProbability:
    """Probabilities of given tokens, added up."""

    def __init__(
        self, completions: Sequence[Completion], *, log: bool = False, name: str = "token_probability"
    ) -> None:
        """Measures the completions' tokens.

        Args:
            completions: `completion_of_exchange` and `completion_of_secret` make them.
            log: adds up log-probabilities in place of probabilities.
            name: name of the objective in files.

        Raises:
            ValueError: there is no completion.
        """
        if not completions:
            raise ValueError("the probability of tokens needs at least one completion, got none; give one or more.")
        self.completions, self.log, self.name = list(completions), log, name
        self.unit = "nats" if log else "probability"

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """Returns the sum over each completion's tokens."""
        completions = [self.completions[item] for item in items]
        values = said_log_probabilities(completion_logits(model, completions).log_softmax(-1), completions)
        return reduce_completions(values if self.log else values.exp(), completions, "sum")

    def describe(self) -> dict[str, object]:
        """Returns the objective's name, and whether it adds up logarithms."""
        return {"objective": self.name, "log": self.log}


def completion_of_secret(tokenizer: PreTrainedTokenizerBase, text: str, secret: str) -> Completion:
    """Encodes a plain text, whose secret is the completion. The text before the secret is the prompt.

    Raises:
        ValueError: the secret is empty or not in the text, or the text begins with it.
    """
    start = text.find(secret) if secret else -1
    if start < 0:
        raise ValueError(f"the secret {secret!r} is not in the text {text[:60]!r}; give the text that contains it.")
    encoded = tokenizer(text, return_offsets_mapping=True)
    offsets: list[tuple[int, int]] = encoded["offset_mapping"]  # pyright: ignore[reportAssignmentType]
    token_ids: list[int] = encoded["input_ids"]  # pyright: ignore[reportAssignmentType]
    positions = [
        place
        for place, (begin, end) in enumerate(offsets)
        if begin < start + len(secret) and end > start and end > begin
    ]
    if positions[0] == 0:
        raise ValueError(f"the text begins with its secret {secret!r}, so nothing predicts it; give a text before it.")
    return Completion(text[:start], token_ids, positions)


def require_one_token(tokenizer: PreTrainedTokenizerBase, completions: Sequence[Completion]) -> None:
    """Raises ValueError if a completion has several tokens where one is needed."""
    for completion in completions:
        if len(completion.positions) != 1:
            tokens = [tokenizer.decode([completion.token_ids[place]]) for place in completion.positions]
            raise ValueError(
                f"the target after {completion.prompt[-40:]!r} has {len(tokens)} tokens {tokens}, and one is needed; "
                "give its first token."
            )


def make(material: Material) -> Made:
    """Makes the objective from given exchanges."""
    tokenizer = material.loaded.tokenizer
    completions = [completion_of_exchange(tokenizer, exchange) for exchange in material.exchanges]
    return Made(TokenProbability(completions, name=material.name))
