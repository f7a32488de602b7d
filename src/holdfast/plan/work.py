"""seconds = FLOPs / (FLOPs a second) + bytes / (bytes a second) + operations * (seconds an operation)

The three rates are measured on this machine's device in less than a second: a product of matrices, a sum of long
vectors, and many sums of short vectors. FLOPs, bytes read and written, and operations are those of the passes.

The result is that of the longest responses. It leaves out loading, saving, a trainer's work before its first step,
small caches, and other work on the machine.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from holdfast.plan.trace import Cost

SIDE, LONG, SHORT, REPEATS = 1024, 2**23, 64, 1000
PYTHON = 3.0
"""Time of an operation with its module calls and bookkeeping, which take twice as long as the operation itself."""


@dataclass(frozen=True)
class Rate:
    """Speed of a device."""

    flops: float
    """Floating-point operations per second."""
    moved: float = float("inf")
    """Bytes per second."""
    call: float = 0.0
    """Seconds per operation."""

    def seconds(self, work: Cost) -> float:
        """Predicted seconds of a pass."""
        return work.flops / self.flops + work.moved / self.moved + work.calls * self.call


def measure_rate(place: torch.device, threads: int = 1) -> Rate:
    """Measures the rates of this machine's device, with this number of threads on a CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _measured(place)
    finally:
        torch.set_num_threads(before)


def _measured(place: torch.device) -> Rate:
    dtype = torch.float32 if place.type == "cpu" else torch.bfloat16
    square = torch.ones(SIDE, SIDE, device=place, dtype=dtype)
    long, short = torch.ones(LONG, device=place), torch.ones(SHORT, device=place, requires_grad=True)
    product = _median_seconds(lambda: square @ square, place)
    added = _median_seconds(lambda: long + long, place)
    calls = _median_seconds(lambda: [short + short for _ in range(REPEATS)], place)
    return Rate(2 * SIDE**3 / product, 3 * long.nbytes / added, PYTHON * calls / REPEATS)


def _median_seconds(work: Callable[[], object], place: torch.device) -> float:
    """Median seconds of five calls."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        if place.type != "cpu":
            torch.accelerator.synchronize()
        times.append(time.perf_counter() - started)
    return median(times)
