"""P = sum over the given tokens of p(y_t | x, y_<t), with the keys and values of what comes before kept   (probability)

The neurons of a prompt's last token, and of the tokens after it, move. Causal attention leaves the tokens before it as
they are, so their keys and values are computed once for each example and not once for each point of the line. The
values equal those of `holdfast.objective.token_probability`, which computes whole texts.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from holdfast.models.caches import cache_argument
from holdfast.objective.completions import Completion

Kept = list[tuple[Tensor, Tensor]]
"""Keys and values of every layer."""


class PrefixedProbability:
    """Probabilities of given tokens that end a text, for the public scores of neurons."""

    unit = "probability"

    def __init__(self, model: PreTrainedModel, texts: Sequence[Completion]) -> None:
        """Computes the keys and values of every text but for its prompt's last token and its completion."""
        self._kept = [keep(model, text.token_ids[: text.positions[0] - 1]) for text in texts]
        self.completions = [shortened(text) for text in texts]

    def contributions(self, model: PreTrainedModel, items: Sequence[int]) -> Float[Tensor, " batch"]:
        """Returns the sum over the completion's tokens, for one item repeated."""
        (item,) = set(items)
        completion = self.completions[item]
        columns = [position - 1 for position in completion.positions]
        inputs = torch.tensor([completion.token_ids[:-1]]).expand(len(items), -1)
        cache = cache_argument(repeated(self._kept[item], len(items)))
        predicted = model(input_ids=inputs, use_cache=True, **cache).logits[:, columns].float().log_softmax(-1)
        targets = torch.tensor([completion.token_ids[position] for position in completion.positions])
        return predicted.gather(2, targets.expand(len(items), -1)[..., None])[..., 0].exp().sum(1)

    def describe(self) -> dict[str, object]:
        """Returns the objective's name."""
        return {"objective": "token_probability", "log": False}


def shortened(text: Completion) -> Completion:
    """Leaves out the tokens before the prompt's last token."""
    start = text.positions[0] - 1
    return Completion(text.prompt, text.token_ids[start:], [position - start for position in text.positions])


@torch.no_grad()
def keep(model: PreTrainedModel, token_ids: Sequence[int]) -> Kept:
    """Computes the keys and values of tokens."""
    cache = DynamicCache()
    if token_ids:
        model.base_model(input_ids=torch.tensor([token_ids]), use_cache=True, **cache_argument(cache))
    return [(layer.keys, layer.values) for layer in cache.layers]


def repeated(kept: Kept, count: int) -> DynamicCache:
    """Makes a new cache of so many equal rows, which a forward pass can extend without changing what is kept."""
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(kept):
        cache.update(keys.expand(count, -1, -1, -1), values.expand(count, -1, -1, -1), layer)
    return cache
