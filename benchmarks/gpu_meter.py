"""Seconds, bytes and floating-point operations on the device that a benchmark runs on."""

import gc
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch

PEAK_FLOPS: Mapping[str, float] = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
}
"""Operations a second in bfloat16 without sparsity, by data sheets; the first name that is in the device's counts."""


class Meter:
    """Waits for the device before it looks at the clock."""

    def __init__(self, place: torch.device, peak_flops: float | None = None) -> None:
        self.place, self._peak_flops = place, peak_flops
        self.name = torch.cuda.get_device_name(place) if place.type == "cuda" else place.type

    @property
    def peak_flops(self) -> float | None:
        """What was given, or is known of a device of this name."""
        return self._peak_flops or next((flops for name, flops in PEAK_FLOPS.items() if name in self.name), None)

    def wait(self) -> float:
        """The time when all work that was given is done."""
        if self.place.type == "cuda":
            torch.cuda.synchronize(self.place)
        return time.perf_counter()

    def seconds(self, work: Callable[[], object]) -> float:
        """How long it takes."""
        started = self.wait()
        work()
        return self.wait() - started

    def allocated(self) -> float:
        """Bytes of all tensors on the device; on a CPU of the whole process."""
        if self.place.type == "cuda":
            return torch.cuda.memory_allocated(self.place)
        return _status("VmRSS")

    def forget_peak(self) -> None:
        """Begins the peak anew, with nothing on the device that nobody holds."""
        gc.collect()
        if self.place.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.place)
        else:
            Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM

    def peak(self) -> float:
        """Bytes at most since then."""
        if self.place.type == "cuda":
            return torch.cuda.max_memory_allocated(self.place)
        return _status("VmHWM")


def middle(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median of every figure."""
    return {name: round(median(row[name] for row in rows), 5) for name in rows[0]}


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 2**10
