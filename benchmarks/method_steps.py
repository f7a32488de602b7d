"""What does each method that keeps safety cost a training step? All beside plain fine-tuning, in one process.

Each round trains the same start model for a few steps by every method in turn, so that a busy machine slows all alike.
A step is the time from the end of one step to the end of the next, without the first of each training. Ratios are of
medians, in seconds of the processor and on the wall. What a method does once before training (answers, stored logits,
log-probabilities of the start) is reported apart.

Bars: kl at most 1.4 of plain with a safety exchange for every four of the task, safegrad 2.2 with one for each, ema
1.05. Replay has no more examples a step, so its task advances by 1 - share of plain. The last line on stdout is JSON.
The exit code is 1 when a bar falls.

    python benchmarks/method_steps.py --model HuggingFaceTB/SmolLM2-135M-Instruct
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import torch

from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import AdaptOptions
from holdfast.intervene.train.adapt import adapt
from holdfast.intervene.train.methods import method_named
from holdfast.models.load import LoadedModel, load_model
from holdfast.prompts.sources import load_exchanges

EXCHANGES = 16
"""Exchanges of the task, and of safety, from which the steps read."""
BARS = {"kl": 1.4, "safegrad": 2.2, "ema": 1.05}


def runs(batch: int) -> dict[str, MethodOptions]:
    """Returns the methods with their options, for a batch of so many exchanges."""
    quarter = MethodOptions(safety_batch=max(1, batch // 4))
    return {
        "plain": MethodOptions(),
        "replay": MethodOptions(safety_share=0.25),
        "kl": quarter,
        "der": quarter,
        "constrained": MethodOptions(),
        "safegrad": MethodOptions(safety_batch=batch),
        "ema": MethodOptions(),
        "layers": MethodOptions(),
        "replay+gapo": MethodOptions(safety_share=0.25),
    }


@dataclass
class Clock:
    """Marks the end of each step, on the wall and in seconds of the processor."""

    marks: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self, label: str, done: int, total: int) -> None:
        """Is called as a training's progress."""
        if label == "adapting":
            self.marks.append((time.perf_counter(), time.process_time()))

    def steps(self) -> list[tuple[float, float]]:
        """Returns the seconds of each step but the first."""
        return [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(self.marks[1:])]


def timed(
    loaded: LoadedModel, method: str, method_options: MethodOptions, options: AdaptOptions
) -> tuple[Clock, float]:
    """Trains by a method from the start. Returns the marks of its steps, and the seconds before the first of them."""
    safety = load_exchanges(f"testbed:refusals#first={EXCHANGES}") if method_named(method).safety else []
    begin, clock = time.perf_counter(), Clock()
    task = load_exchanges(f"testbed:task_train#first={EXCHANGES}")
    how = {"method": method, "method_options": method_options, "safety": safety, "just_loaded": True}
    adapt(loaded, None, task, options, clock, **how)
    return clock, clock.marks[0][0] - begin


def measure(
    loaded: LoadedModel, chosen: Mapping[str, MethodOptions], rounds: int, options: AdaptOptions
) -> dict[str, dict[str, float]]:
    """Returns the figures of every method."""
    start = {name: weight.clone() for name, weight in loaded.model.state_dict().items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in chosen}
    before: dict[str, list[float]] = {name: [] for name in chosen}
    for _ in range(rounds):
        for name, method_options in chosen.items():
            loaded.model.load_state_dict(start)
            clock, preparing = timed(loaded, name, method_options, options)
            taken[name] += clock.steps()
            before[name].append(preparing)
            print(f"done {name}", file=sys.stderr, flush=True)
    return {name: _figures(taken[name], taken["plain"], median(before[name])) for name in chosen}


def _figures(steps: list[tuple[float, float]], plain: list[tuple[float, float]], before: float) -> dict[str, float]:
    (wall, processor), (plain_wall, plain_processor) = (
        tuple(median(column) for column in zip(*each, strict=True)) for each in (steps, plain)
    )
    return {
        "step_ms": round(1e3 * wall, 1),
        "wall_ratio": round(wall / plain_wall, 3),
        "processor_ratio": round(processor / plain_processor, 3),
        "before_s": round(before, 1),
    }


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="testbed:aligned")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="timed steps of a training")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--methods", nargs="+", default=list(runs(16)), choices=list(runs(16)))
    given = parser.parse_args()
    loaded = load_model(given.model, dtype="float32")
    options = AdaptOptions(iterations=given.steps + 1, batch_size=given.batch, learning_rate=1e-4)
    chosen = {name: how for name, how in runs(given.batch).items() if name in {"plain", *given.methods}}
    figures = measure(loaded, chosen, given.rounds, options)
    passed = all(figures[name]["processor_ratio"] <= bar for name, bar in BARS.items() if name in figures)
    size = {
        "model": given.model,
        "batch": given.batch,
        "weights": loaded.model.num_parameters(),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps({"name": "method_steps", **size, "figures": figures, "bars": BARS, "pass": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
