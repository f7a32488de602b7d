"""Reads the neurons of one layer at every token of some texts, a batch at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.models.activations import reading
from holdfast.models.stream_writers import StreamWriter
from holdfast.progress import Progress, silent
from holdfast.prompts.batching import batches_by_length, right_pad

TOKEN_BUDGET = 512
"""Tokens of a batch."""
MOST_TOKENS = 4096
"""Most tokens whose neurons `thinned` keeps."""
Batches = Iterator[Float[Tensor, "token d_mlp"]]


@dataclass(frozen=True)
class Stretch:
    """The tokens of a text from a place on."""

    token_ids: Sequence[int]
    """The whole text."""
    start: int = 0
    """Place of the first token that counts. The model reads those before it, too."""

    def __len__(self) -> int:
        return max(0, len(self.token_ids) - self.start)


@torch.no_grad()
def neurons_at(
    model: PreTrainedModel, writer: StreamWriter, stretches: Sequence[Stretch], pad_id: int, progress: Progress = silent
) -> Batches:
    """Yields the neurons that the matrix of a layer's MLP reads at the tokens of stretches, longest texts first.

    Args:
        model: the model.
        writer: the matrix.
        stretches: the tokens. Empty stretches are left out.
        pad_id: token id to pad with.
        progress: called after every batch with the number of texts so far.
    """
    stretches = [each for each in stretches if len(each)]
    site, done, label = writer.input_site(model), 0, "reading the neurons of texts"
    for batch in batches_by_length([len(each.token_ids) for each in stretches], TOKEN_BUDGET):
        progress(label, done, len(stretches))
        token_ids, mask = right_pad([stretches[place].token_ids for place in batch], pad_id)
        with reading(model, [site]) as activations:
            # The body alone: the logits of a wide vocabulary are most of a forward pass, and not needed.
            model.base_model(
                input_ids=token_ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False
            )
        counts = mask.bool()
        for row, place in enumerate(batch):
            counts[row, : stretches[place].start] = False
        yield activations[site.name].cpu()[counts]
        done += len(batch)
    if stretches:
        progress(label, done, len(stretches))


def shared_beginning(sequences: Sequence[Sequence[int]]) -> Sequence[int]:
    """Returns the tokens that all sequences begin with, such as a system prompt, without the last token of any."""
    first, longest = sequences[0], min(map(len, sequences)) - 1
    differ = (place for place in range(longest) if any(ids[place] != first[place] for ids in sequences))
    return first[: next(differ, longest)]


def thinned(batches: Batches, count: int) -> tuple[Float[Tensor, "kept d_mlp"], Float[Tensor, " d_mlp"]]:
    """Returns the neurons at evenly spaced tokens, MOST_TOKENS at most, and the mean over all tokens, float64.

    Args:
        batches: the neurons.
        count: number of all tokens.
    """
    step = -(-count // MOST_TOKENS)
    kept, total, place = [], torch.zeros(()), 0
    for neurons in batches:
        kept.append(neurons[-place % step :: step].clone())
        total, place = total + neurons.double().sum(0), place + len(neurons)
    return torch.cat(kept), total / place
