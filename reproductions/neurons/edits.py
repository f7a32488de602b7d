"""Scales the neurons of a mask for a while, and draws the random neurons that are its control."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel

from holdfast import Mask, Scores, neuron_weights
from holdfast.intervene.edit.scale import scaled
from holdfast.select.random import RandomOptions, select_random


@contextmanager
def scaled_neurons(model: PreTrainedModel, mask: Mask, scale: float) -> Iterator[None]:
    """Multiplies what the neurons write, as `holdfast edit` does for good. Every bit comes back at the end."""
    weights = neuron_weights(model, mask, ("down",))
    flat = {name: model.get_parameter(name).detach().view(-1) for name in weights.indices}
    before = {name: values[weights[name]] for name, values in flat.items()}
    try:
        for name, values in flat.items():
            values[weights[name]] = scaled(before[name], scale)
        yield
    finally:
        for name, values in flat.items():
            values[weights[name]] = before[name]


def random_like(scores: Scores, mask: Mask, draw: int) -> Mask:
    """Draws as many neurons of every layer as the mask has there."""
    return select_random(scores, RandomOptions(seed=draw), like=mask)


def by_layer(mask: Mask) -> dict[str, int]:
    """Counts the selected neurons of every layer that has some."""
    return {name: index.numel() for name, index in mask.indices.items()}


def mean_loss(model: PreTrainedModel, token_ids: list[int]) -> float:
    """Mean over a text's tokens of -log p, the first token apart."""
    ids = torch.tensor([token_ids])
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
    return float(torch.nn.functional.cross_entropy(logits, ids[0, 1:]))
