"""Scores with many ties, by name of parameters that real models have, and the oracle: a sort of everything."""

import torch
from hypothesis import strategies as st

from holdfast.values import Mask, Scores

# Few distinct values make ties; the others lie within one bucket of upper bits, are subnormal, or as large as can be.
VALUES = st.sampled_from([0.0, -0.0, 1e-45, 2e-45, 1.0, 1.0000001, 1.0000002, 2.5, 3.4e38])
SITES = ("self_attn.v_proj.weight", "mlp.gate_proj.weight", "mlp.experts.down_proj")
MODEL_TENSORS = st.lists(st.lists(VALUES, min_size=4, max_size=4), min_size=6, max_size=6)
TENSORS = st.lists(st.lists(VALUES, max_size=12), min_size=1, max_size=4)


def make_scores(tensors: list[list[float]]) -> Scores:
    entries = {f"weight_{order}": torch.tensor(values, dtype=torch.float32) for order, values in enumerate(tensors)}
    return Scores(entries, "unit", "base", 1000)


def make_model_scores(tensors: list[list[float]]) -> Scores:
    """Two layers of a mixture of experts, one after the other; lists of four values."""
    names = [f"model.layers.{layer}.{site}" for layer in (0, 1) for site in SITES]
    entries = {
        name: torch.tensor(values).reshape((2, 1, 2) if "experts" in name else (2, 2))
        for name, values in zip(names, tensors, strict=True)
    }
    return Scores(entries, "unit", "base", 1000, {"method": "made up"})


def sorted_entries(scores: Scores, largest: bool) -> list[tuple[str, int]]:
    sign = -1 if largest else 1
    keyed = [
        (sign * float(score), name, index)
        for name, tensor in scores.entries.items()
        for index, score in enumerate(tensor.flatten())
    ]
    return [(name, index) for _, name, index in sorted(keyed)]


def is_arbitrary(scores: Scores, ranking: list[tuple[str, int]], num_selected: int) -> bool:
    """Whether some entries that score 0 are among the first of a ranking, and some are not."""
    if num_selected >= len(ranking):
        return False
    name, index = ranking[num_selected - 1]
    return float(scores.entries[name].flatten()[index]) == 0


def selected_entries(mask: Mask) -> set[tuple[str, int]]:
    return {(name, index) for name in mask.indices for index in mask[name].tolist()}
