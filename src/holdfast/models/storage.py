"""Reads the dtypes of a checkpoint's weights from the headers of its files, whatever config.json says."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import torch
from transformers import PreTrainedModel

from holdfast.tensor_files import read_kinds

FLOATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.bfloat16,
    "F8_E5M2": torch.bfloat16,
}
"""Dtype in which tuned weights are saved, by the stored dtype. For 8 bits it is a dtype that holds their values."""


@dataclass(frozen=True)
class Storage:
    """The dtypes of a checkpoint's floating-point tensors."""

    dtype: torch.dtype
    """Dtype of most entries."""
    by_name: Mapping[str, torch.dtype]
    """Dtype of every such tensor, by its name in the files."""


def read_storage(files: Sequence[Path]) -> Storage | None:
    """Reads the headers of a checkpoint's files. Returns None if they hold no floating-point tensor."""
    entries: Counter[torch.dtype] = Counter()
    by_name = {}
    for file in files:
        for name, (code, count) in read_kinds(file).items():
            if code in FLOATS:
                by_name[name] = FLOATS[code]
                entries[FLOATS[code]] += count
    return Storage(entries.most_common(1)[0][0], by_name) if by_name else None


def stored_apart(model: PreTrainedModel, storage: Storage) -> dict[str, torch.dtype]:
    """Returns the stored dtype of each parameter and buffer that differs from the dtype of most entries.

    The names are those in the model.

    Tensors with another name in the files (experts fused on loading) count as stored in the dtype of most entries. If
    one of them has a different dtype, they count as stored in a dtype that loses no bit of any.
    """
    kinds = set(storage.by_name.values())
    if kinds == {storage.dtype}:
        return {}
    held = {name: tensor for name, tensor in model.state_dict(keep_vars=True).items() if tensor.is_floating_point()}
    stored = {name: key for name in held if (key := any_prefix(model, name, storage.by_name))}
    # By tensor, since tied weights have several names.
    by_tensor = {id(held[name]): storage.by_name[key] for name, key in stored.items()}
    elsewhere = {storage.by_name[key] for key in storage.by_name.keys() - set(stored.values())}
    other = storage.dtype if elsewhere <= {storage.dtype} else reduce(torch.promote_types, kinds)
    dtypes = {name: by_tensor.get(id(tensor), other) for name, tensor in held.items()}
    return {name: dtype for name, dtype in dtypes.items() if dtype != storage.dtype}


def any_prefix(model: PreTrainedModel, name: str, stored: Collection[str]) -> str | None:
    """Returns the stored name of a weight, with or without the prefix that names have in a model with a head."""
    prefix = f"{model.base_model_prefix}."
    candidates = (name, name.removeprefix(prefix), prefix + name)
    return next((candidate for candidate in candidates if candidate in stored), None)
