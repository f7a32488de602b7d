"""Two rewards that pull apart: how far each rises under a sum, MGDA, GAPO and P-GAPO, in ten seeds.

    OMP_NUM_THREADS=1 python -m reproductions.gapo.run

Takes a few seconds. Every way of combining takes 20 and 40 steps of length 1 on the exact gradients of `bandit.py`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from holdfast.artifacts import save_json
from holdfast.intervene.train.combine.gapo import gapo
from holdfast.intervene.train.combine.mgda import mgda
from holdfast.intervene.train.combine.p_gapo import p_gapo
from holdfast.intervene.train.combine.weights import Gram, Weights
from reproductions.gapo.bandit import gains

RESULTS = Path(__file__).parent / "results" / "bandit.json"
SEEDS, STEPS = range(10), (20, 40)
PREFERENCES = (0.2, 0.4, 0.6, 0.8)


def sum_of(gram: Gram) -> Weights:
    """Adds the gradients up, as a sum of the losses does."""
    return torch.ones(len(gram), dtype=gram.dtype)


WAYS: dict[str, Callable[[Gram], Weights]] = {
    "sum": sum_of,
    "MGDA": mgda,
    "GAPO, p = 1": partial(gapo, power=1),
    "GAPO, p = 2": partial(gapo, power=2),
    **{f"P-GAPO, {share:g}": partial(p_gapo, preferences=(share, 1 - share)) for share in PREFERENCES},
}


def measure() -> dict[str, dict[str, list[list[float]]]]:
    """Returns the gains of both rewards, by number of steps, way and seed."""
    return {
        str(steps): {name: [gains(way, seed, steps).tolist() for seed in SEEDS] for name, way in WAYS.items()}
        for steps in STEPS
    }


if __name__ == "__main__":
    save_json(RESULTS, {"gains": measure()})
