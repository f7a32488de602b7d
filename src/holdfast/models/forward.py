"""The model's logits at some positions of a batch; those at the others are not computed where the model can do so."""

import inspect
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel


def logits_at(
    model: PreTrainedModel,
    token_ids: Int[Tensor, "batch token"],
    attention_mask: Int[Tensor, "batch token"],
    rows: Sequence[int],
    columns: Sequence[int],
) -> Float[Tensor, "position d_vocab"]:
    """Logits at the positions (rows[i], columns[i]), at least float32; what they say is about the next token."""
    device = model.device
    inputs = {"input_ids": token_ids.to(device), "attention_mask": attention_mask.to(device), "use_cache": False}
    wanted = sorted(set(columns))
    # A vocabulary is wide: logits of the prompt's tokens would cost more memory than all else.
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        logits = model(**inputs, logits_to_keep=torch.tensor(wanted, device=device)).logits
        places = {column: place for place, column in enumerate(wanted)}
        columns = [places[column] for column in columns]
    else:
        logits = model(**inputs).logits
    logits = logits[torch.tensor(rows, dtype=torch.int64), torch.tensor(columns, dtype=torch.int64)]
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
