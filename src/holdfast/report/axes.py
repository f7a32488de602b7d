"""Axes that show the differences: they span what was measured, and say so in words where that is not all of 0 to 1."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STEPS = (1.0, 2.0, 5.0)
WHOLE = 0.5
"""Share of 0 to 1 from which on an axis of rates shows all of it."""
LEAST = 0.02
"""What an axis of rates spans at least, so that next to nothing does not look large."""


@dataclass(frozen=True)
class Axis:
    """A range of numbers with its ticks."""

    first: float
    last: float
    ticks: tuple[float, ...]
    words: str
    """Says the range where a reader would expect another one."""

    @property
    def decimals(self) -> int:
        """Decimals that tell values on it apart, at least two and at most four."""
        return min(4, max(2, 3 - math.ceil(math.log10(self.last - self.first) - 1e-9)))

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the first end and 1 at the last."""
        return (value - self.first) / (self.last - self.first)


def rate_axis(numbers: Sequence[float], intervals: int = 4) -> Axis:
    """The axis of rates whose values and ends of intervals are these.

    Args:
        numbers: what has to lie on it, in [0, 1].
        intervals: between ticks, at most.
    """
    low, high = max(0.0, min(numbers, default=0.0)), min(1.0, max(numbers, default=1.0))
    if high - low >= WHOLE:
        count = 4 if intervals >= 4 else 2
        return Axis(0.0, 1.0, tuple(at / count for at in range(count + 1)), "")
    # From 0 where that costs less than half of the axis: then the length of a value can be read, too.
    low = max(0.0, min(low, high - LEAST))
    low = 0.0 if low < high - low else low
    return _stepped(low, max(high, low + LEAST), intervals, ceiling=1.0)


def perplexity_axis(numbers: Sequence[float], intervals: int = 2) -> Axis:
    """The axis of perplexities: from 1, where nothing surprises, unless they lie far above it and close together."""
    low, high = min(numbers), max(numbers)
    low = 1.0 if low == high or low - 1 < high - low else low
    return _stepped(low, max(high, low + 1e-4), intervals, base=1.0, ceiling=math.inf)


def _stepped(low: float, high: float, intervals: int, *, base: float = 0.0, ceiling: float) -> Axis:
    """The axis with the finest round step from the base that needs at most so many intervals."""
    start, end, step = 0, 0, 1.0
    for step in _round_steps((high - low) / intervals):
        start, end = math.floor((low - base) / step + 1e-9), math.ceil((high - base) / step - 1e-9)
        if end - start <= intervals:
            break
    ticks = tuple(round(base + at * step, 12) for at in range(start, end + 1) if base + at * step <= ceiling + 1e-9)
    beyond = f", not from {base:g}" if ticks[0] > base else ""
    return Axis(ticks[0], ticks[-1], ticks, f"axis from {ticks[0]:g} to {ticks[-1]:g}{beyond}")


def _round_steps(least: float) -> Iterator[float]:
    """1, 2 and 5 times powers of ten, rising, from about the smallest that is enough."""
    power = math.floor(math.log10(max(least, 1e-9)))
    while True:
        yield from (step * 10.0**power for step in STEPS if step * 10.0**power >= least * (1 - 1e-9))
        power += 1
