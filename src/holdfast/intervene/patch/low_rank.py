"""LoRA adapters on disk: the change s B A of every adapted matrix, computed a run of entries at a time.

s = alpha / rank, or alpha / sqrt(rank) with rsLoRA. The product is made in float32, and only for the rows that a run
of entries touches, so memory holds A, B and one run.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from peft.utils.other import get_pattern_key
from torch import Tensor

from holdfast.adapter_folder import MASK_FILE, how_to_merge
from holdfast.json_files import load_json
from holdfast.models.stored import StoredModel
from holdfast.tensor_files import StoredTensor, read_header

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
START, FACTORS = "base_model.model.", ("lora_A.weight", "lora_B.weight")
PLAIN_STARTS = (True, False, "gaussian", "eva", None)
"""Values of `init_lora_weights` that leave the base weights as they are."""


@dataclass(frozen=True, eq=False)
class LowRank:
    """The change that an adapter makes to one matrix."""

    a: Float[Tensor, "rank d_in"]
    b: Float[Tensor, "d_out rank"]
    scale: float
    key_b: str
    """Name of B in the adapter's file."""
    transposed: bool = False
    """True where the matrix is stored as d_in x d_out, as in GPT-2."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the matrix as it is stored."""
        d_out, d_in = self.b.shape[0], self.a.shape[1]
        return (d_in, d_out) if self.transposed else (d_out, d_in)

    def read(self, start: int, count: int) -> Float[Tensor, " entries"]:
        """Computes consecutive entries of the change in row-major order."""
        left, right = (self.a.T, self.b.T) if self.transposed else (self.b, self.a)
        width = right.shape[1]
        first, last = start // width, -(-(start + count) // width)
        rows = self.scale * (left[first:last] @ right)
        return rows.flatten()[start - first * width :][:count]


def is_adapter(name: str) -> bool:
    """True where a name is the folder of a PEFT adapter without a model."""
    folder = Path(name)
    return (folder / CONFIG).is_file() and not (folder / "config.json").is_file()


def open_adapter(name: str, base: StoredModel) -> dict[str, LowRank]:
    """Reads an adapter's factors by the names of the parameters that they change.

    Raises:
        ValueError: the adapter is more or other than plain LoRA on linear layers, holds weights, or was made for
            another base.
    """
    folder = Path(name)
    config = load_json(folder / CONFIG)
    _refuse_other_kinds(name, config)
    if not (folder / WEIGHTS).is_file():
        raise ValueError(f"adapter {name!r} has no {WEIGHTS}; save it again with PEFT's `save_pretrained`.")
    tensors, _ = read_header(folder / WEIGHTS)
    changes = {}
    for path, (a, b) in _factors(name, tensors).items():
        rank, alpha = a.shape[0], _alpha(config, path)
        scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
        key_b = f"{START}{path}.{FACTORS[1]}"
        change = LowRank(_matrix(a), _matrix(b), scale, key_b, transposed=bool(config.get("fan_in_fan_out")))
        changes[f"{path}.weight"] = _fitting(name, f"{path}.weight", change, base)
    return dict(sorted(changes.items()))


def _refuse_other_kinds(name: str, config: Mapping[str, object]) -> None:
    merged = f"{how_to_merge(Path(name))}, and give the folder of the merged model"
    if (Path(name) / MASK_FILE).is_file():
        raise ValueError(f"adapter {name!r} does not work alone: {merged}.")
    beyond = [key for key in ("use_dora", "modules_to_save", "target_parameters") if config.get(key)]
    beyond += ["bias"] if config.get("bias", "none") != "none" else []
    beyond += [] if config.get("init_lora_weights") in PLAIN_STARTS else ["init_lora_weights"]
    kind = config.get("peft_type")
    if kind != "LORA" or beyond:
        what = f"sets {beyond[0]}" if kind == "LORA" else f"is of type {kind}"
        raise ValueError(f"adapter {name!r} {what}, and only plain LoRA is read from its file; {merged}.")


def _factors(name: str, tensors: Mapping[str, StoredTensor]) -> dict[str, tuple[StoredTensor, StoredTensor]]:
    """Pairs the factors A and B by the path of their module."""
    paths = {key.removeprefix(START).removesuffix(f".{end}") for key in tensors for end in FACTORS if key.endswith(end)}
    pairs = {path: [f"{START}{path}.{end}" for end in FACTORS] for path in sorted(paths)}
    if other := sorted(tensors.keys() ^ {key for keys in pairs.values() for key in keys}) or ([] if pairs else ["A"]):
        raise ValueError(
            f"adapter {name!r} is not plain LoRA on linear layers, see {other[0]!r}; "
            f"{how_to_merge(Path(name))}, and give the folder of the merged model."
        )
    return {path: (tensors[a], tensors[b]) for path, (a, b) in pairs.items()}


def _alpha(config: Mapping[str, object], path: str) -> float:
    pattern = config.get("alpha_pattern")
    alphas = pattern if isinstance(pattern, Mapping) else {}
    return float(str(alphas.get(get_pattern_key(list(alphas), path), config.get("lora_alpha"))))


def _matrix(stored: StoredTensor) -> Float[Tensor, "rows columns"]:
    return stored.read(0, stored.num_entries).view(stored.shape).to(torch.float32)


def _fitting(adapter: str, name: str, change: LowRank, base: StoredModel) -> LowRank:
    parameter = base.parameters.get(name)
    if parameter is None or parameter.shape != change.shape:
        has = f"as {parameter.shape}" if parameter else "not at all"
        raise ValueError(
            f"adapter {adapter!r} changes {name} as {change.shape}, and {base.name!r} has it {has}; give the model "
            "that the adapter was trained on."
        )
    return change
