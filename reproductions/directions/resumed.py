"""Runs a model on the same texts many times from one layer on, whose unsteered output is kept.

Steering moves the output of one layer, and the layers before it give the same states every time. So they run once for
all vectors. The logits equal those of whole forward passes.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.models.activation_sites import residual_sites
from holdfast.models.activations import reading
from holdfast.models.logits import logits_at
from holdfast.models.tables import pad_id_for
from holdfast.prompts.batching import batches_by_length, right_pad

TOKEN_BUDGET = 768
"""Tokens of a batch."""


@dataclass(frozen=True)
class Text:
    """Token ids, and the place of the first one that is predicted. All later ones are predicted as well.

    A text of which none is predicted asks for the token that follows it.
    """

    token_ids: list[int]
    start: int

    @property
    def predicted(self) -> range:
        """Places of the predicted tokens."""
        return range(self.start, len(self.token_ids))


@dataclass(frozen=True)
class KeptBatch:
    """A batch of texts with the states that leave the layer."""

    places: list[int]
    """Places of the texts in the list that was given."""
    inputs: dict[str, Tensor]
    states: Float[Tensor, "batch token d_model"]
    rows: Tensor
    columns: Tensor
    """Rows and columns of the predicted tokens. A column behind the text's end is that of the token that follows."""


@torch.no_grad()
def keep_states(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[Text], layer: int
) -> list[KeptBatch]:
    """Runs the texts once, and keeps the states that leave a layer."""
    site, kept = residual_sites(model)[layer], []
    for places in batches_by_length([len(text.token_ids) for text in texts], TOKEN_BUDGET):
        token_ids, mask = right_pad([texts[place].token_ids for place in places], pad_id_for(model, tokenizer))
        with reading(model, [site]) as activations:
            model.base_model(input_ids=token_ids, attention_mask=mask, use_cache=False)
        asked = [texts[place].predicted or [len(texts[place].token_ids)] for place in places]
        where = [(row, column) for row, columns in enumerate(asked) for column in columns]
        rows, columns = torch.tensor(where).T
        inputs = {"input_ids": token_ids, "attention_mask": mask}
        kept.append(KeptBatch(places, inputs, activations[site.name].clone(), rows, columns))
    return kept


@torch.no_grad()
def log_likelihoods(model: PreTrainedModel, kept: Sequence[KeptBatch], layer: int) -> list[float]:
    """Computes the sum of log p over the predicted tokens of every text, in the order of the texts.

    Steering of the layer, or of a later one, applies. That of an earlier layer does not.
    """
    found: dict[int, float] = {}
    for batch in kept:
        with _going_on(model, layer, batch.states):
            logits = logits_at(model, batch.rows, batch.columns - 1, batch.inputs)
        targets = batch.inputs["input_ids"][batch.rows, batch.columns]
        each = -nn.functional.cross_entropy(logits, targets, reduction="none").double()
        sums = torch.zeros(len(batch.places), dtype=torch.float64).index_add(0, batch.rows, each)
        found |= dict(zip(batch.places, sums.tolist(), strict=True))
    return [found[place] for place in range(len(found))]


@torch.no_grad()
def next_logits(model: PreTrainedModel, kept: Sequence[KeptBatch], layer: int) -> list[Float[Tensor, " d_vocab"]]:
    """Computes the logits of the token that follows each text, in the order of the texts. Steering applies as above."""
    found: dict[int, Tensor] = {}
    for batch in kept:
        with _going_on(model, layer, batch.states):
            logits = logits_at(model, batch.rows, batch.columns - 1, batch.inputs)
        found |= dict(zip(batch.places, logits, strict=True))
    return [found[place] for place in range(len(found))]


@contextmanager
def _going_on(model: PreTrainedModel, layer: int, states: Tensor) -> Iterator[None]:
    """Replaces the layer's computation by its kept output, and that of the layers before it by nothing."""
    with ExitStack() as stack:
        for site in residual_sites(model)[: layer + 1]:
            stack.enter_context(_standing_in(model.get_submodule(site.path), states))
        yield


@contextmanager
def _standing_in(module: nn.Module, states: Tensor) -> Iterator[None]:
    module.forward = lambda *_, **__: states
    try:
        yield
    finally:
        del module.forward  # the method of the class comes back
