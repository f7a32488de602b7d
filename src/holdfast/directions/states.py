"""Reads the state of the residual stream at the last token of every prompt, after every layer, in one forward pass."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.models.activation_sites import residual_sites
from holdfast.models.activations import reading
from holdfast.models.asking import ask
from holdfast.models.tables import check_fits, pad_id_for
from holdfast.progress import Progress, silent
from holdfast.prompts.batching import batches_by_length, right_pad

TOKEN_BUDGET = 512
"""Tokens of a batch."""


def last_states(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    as_text: bool = False,
    progress: Progress = silent,
) -> Float[Tensor, "layer prompt d_model"]:
    """Returns the states of prompts (`states_of`), encoded as `encode_prompts` does."""
    return states_of(model, tokenizer, encode_prompts(model, tokenizer, prompts, as_text=as_text), progress)


def encode_prompts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], *, as_text: bool = False
) -> list[list[int]]:
    """Returns the token ids of each prompt.

    A prompt is a user's turn, and its last token is the last one that the chat template writes before the response.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        prompts: the texts.
        as_text: True reads the texts as they are, without the chat template. The last token is then the text's own.

    Raises:
        ValueError: no prompts, a text without a token, or one that is longer than the model's context.
    """
    return _plain(model, tokenizer, prompts) if as_text else [one.prompt_ids for one in ask(model, tokenizer, prompts)]


@torch.no_grad()
def states_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sequences: Sequence[Sequence[int]],
    progress: Progress = silent,
) -> Float[Tensor, "layer prompt d_model"]:
    """Returns the states that leave each layer at the last token of each sequence, float32 on the CPU.

    Progress is called after every batch, with the number of prompts so far.

    Raises:
        ValueError: the model has no numbered layers.
    """
    sites = residual_sites(model)
    states = torch.empty(len(sites), len(sequences), sites[0].shape[0])
    pad_id, done, label = pad_id_for(model, tokenizer), 0, "reading the states of prompts"
    progress(label, 0, len(sequences))
    for batch in batches_by_length([len(ids) for ids in sequences], TOKEN_BUDGET):
        token_ids, mask = right_pad([sequences[place] for place in batch], pad_id)
        last = torch.arange(len(batch)), mask.sum(1) - 1
        with reading(model, sites, last) as activations:
            # The body alone: the logits of a wide vocabulary are most of a forward pass, and not needed.
            model.base_model(
                input_ids=token_ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False
            )
        for layer, site in enumerate(sites):
            states[layer, batch] = activations[site.name].float().cpu()
        done += len(batch)
        progress(label, done, len(sequences))
    return states


def _plain(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Encodes texts as they are."""
    if not texts:
        raise ValueError("there are no texts to read; give at least one.")
    sequences = [list(tokenizer(text)["input_ids"]) for text in texts]  # pyright: ignore[reportArgumentType]
    for text, ids in zip(texts, sequences, strict=True):
        if not ids:
            raise ValueError(f"the text {text[:40]!r} has no token; remove it.")
    check_fits(model, tokenizer, sequences)
    return sequences
