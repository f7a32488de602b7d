"""L = mean over exchanges of (1/T) sum_t log p(y_t | x, y_<t)   (nats a token; up = the given responses become
likelier)

On correct responses to harmless questions this is the *utility* objective: a safety-only mask leaves out the entries on
which it depends most. Only the tokens of the response's text count, not those of the prompt, the template or the end.
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
from holdfast.prompts.chat import encode_exchange
from holdfast.records import Exchange


class ResponseLikelihood:
    """Mean log-likelihood of given responses."""

    unit = "nats a token"

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, exchanges: Sequence[Exchange], name: str = "response_likelihood"
    ) -> None:
        """Encodes the exchanges.

        Args:
            tokenizer: the model's tokenizer.
            exchanges: prompts with the responses whose likelihood is measured.
            name: name of the objective in files: "utility" for right answers, "refusal_likelihood" for refusals. The
                default does not tell the two apart.

        Raises:
            ValueError: there is no exchange, or one has an empty response.
        """
        if not exchanges:
            raise ValueError("the likelihood of responses needs at least one exchange, got none; give one or more.")
        self.name = name
        self.completions = [completion_of_exchange(tokenizer, exchange) for exchange in exchanges]

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """Returns the mean log-probability of each response's tokens."""
        completions = [self.completions[item] for item in items]
        log_probabilities = completion_logits(model, completions).log_softmax(-1)
        return reduce_completions(said_log_probabilities(log_probabilities, completions), completions, "mean")

    def describe(self) -> dict[str, object]:
        """Returns the objective's name."""
        return {"objective": self.name}


def make(material: Material) -> Made:
    """Makes the objective from given exchanges."""
    return Made(ResponseLikelihood(material.loaded.tokenizer, material.exchanges, material.name))


def completion_of_exchange(tokenizer: PreTrainedTokenizerBase, exchange: Exchange) -> Completion:
    """Encodes an exchange, whose response is the completion. Raises ValueError for an empty response."""
    chat = encode_exchange(tokenizer, exchange.prompt, exchange.response)
    positions = [span.token for span in chat.spans[1]]
    if not positions:
        raise ValueError(f"the response to {exchange.prompt!r} is empty; give every exchange a response.")
    return Completion(exchange.prompt, chat.token_ids, positions)
