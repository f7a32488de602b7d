"""How fast is exact selection, and how much memory does it take?

Measured: the exact top 1% of 100M float32 scores in 21 tensors of unlike sizes, as the mask that all else works with.
Against: `torch.topk` on the concatenation of the same tensors (concatenating included), which finds the same entries.
Both run in this process on the threads that torch was given, alternating; the best of three counts. Extra memory is the
peak of the resident set while selecting, less what was resident before, the mask included (Linux only).

Bars: at least 5 times faster; extra memory at most 1.5 times the largest tensor; the same entries (ties aside, of which
topk promises nothing: the same scores).

    PYTHONPATH=src python benchmarks/selection.py
"""

import gc
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from holdfast.select import TopOptions, select_top
from holdfast.values import Mask, Scores

NUM_SCORES = 100_000_000
FRACTION = 0.01
SIZES = [16_777_216, *[4_194_304] * 19]  # one large tensor among squares of 2048; what is left makes a last one


def make_scores(seed: int) -> Scores:
    """Scores of as many magnitudes as those of a real model: every tensor has a scale of its own."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [*SIZES, NUM_SCORES - sum(SIZES)]
    scales = torch.logspace(-6, -3, len(sizes))[torch.randperm(len(sizes), generator=generator)]
    entries = {
        f"tensor_{order:02}": torch.randn(size, generator=generator).abs_().mul_(scale)
        for order, (size, scale) in enumerate(zip(sizes, scales, strict=True))
    }
    return Scores(entries, "made up", "made up", NUM_SCORES)


def select_by_topk(scores: Scores) -> tuple[Tensor, Tensor]:
    """What one would write: values and positions in the concatenation."""
    everything = torch.cat(list(scores.entries.values()))
    return torch.topk(everything, round(FRACTION * len(everything)))


def timed(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    gc.collect()
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def resident(key: str) -> int:
    """Bytes of memory that this process holds (VmRSS), or held at most since the peak was reset (VmHWM)."""
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found.group(1)) * 1024


def extra_memory(run: Callable[[], object]) -> int:
    """Bytes that a call holds at its peak beside what was there before."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = resident("VmRSS")
    run()
    return resident("VmHWM") - before


def same_scores(scores: Scores, mask: Mask) -> bool:
    """Whether the mask holds as large scores as topk finds."""
    ours = torch.cat([scores.entries[name].flatten()[mask[name]] for name in mask.indices])
    return torch.equal(ours.sort(descending=True).values, select_by_topk(scores)[0])


def main() -> int:
    """Runs the comparison; 0 when every bar is met."""
    scores = make_scores(seed=0)
    largest = max(tensor.numel() for tensor in scores.entries.values()) * 4
    options = TopOptions(fraction=FRACTION)
    memory = extra_memory(lambda: select_top(scores, options))
    rounds = [(timed(lambda: select_top(scores, options)), timed(lambda: select_by_topk(scores))) for _ in range(3)]
    ours, theirs = (min(times) for times in zip(*rounds, strict=True))
    figures = {
        "seconds": round(ours, 3),
        "topk_seconds": round(theirs, 3),
        "speedup": round(theirs / ours, 2),
        "extra_memory_ratio": round(memory / largest, 3),
        "same_scores": same_scores(scores, select_top(scores, options)),
        "threads": torch.get_num_threads(),
    }
    passed = figures["speedup"] >= 5 and figures["extra_memory_ratio"] <= 1.5 and figures["same_scores"]
    bars = {"speedup": 5, "extra_memory_ratio": 1.5, "same_scores": True}
    print(json.dumps({"name": "selection", "figures": figures, "bars": bars, "pass": bool(passed)}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
