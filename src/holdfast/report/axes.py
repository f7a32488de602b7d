"""Axes that show the differences: they span what was measured, and say so in words where that is not all of 0 to 1.

Perplexity stands on a logarithmic axis. Strong noise makes a model write garbage, whose perplexity is thousands of
times as large, and on a linear axis all other models would lie in one place.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

STEPS = (1.0, 2.0, 5.0)
WHOLE = 0.5
"""Share of 0 to 1 from which on an axis of rates shows all of it."""
WIDE = 3.0
"""How many times the smallest number the largest is, from which on ticks are 1, 2 and 5 times powers of ten."""
SMALLEST_RATIO = 1e-6
"""What an axis of ratios reaches down to, at most: the end of an interval may be 0."""
VERY_WIDE = 1000.0
"""The same, from which on ticks are powers of ten alone."""
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
    is_logarithmic: bool = False
    """Whether equal distances are equal ratios."""

    @property
    def decimals(self) -> int:
        """Decimals that tell values on it apart, at least two and at most four."""
        return min(4, max(2, 3 - math.ceil(math.log10(self.last - self.first) - 1e-9)))

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the first end and 1 at the last."""
        if self.is_logarithmic:
            return math.log(max(value, self.first) / self.first) / math.log(self.last / self.first)
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
    """The logarithmic axis of perplexities: from 1, where nothing surprises, unless that hides how they differ."""
    low, high = min(numbers), max(numbers)
    low = 1.0 if low == high or low * low < high else low
    high = max(high, low + 1e-4)
    return _logarithmic(low, high, intervals) if high > WIDE * low else _as_logarithmic(low, high, intervals)


def ratio_axis(numbers: Sequence[float], intervals: int = 2) -> Axis:
    """The logarithmic axis of perplexities over that of the start: 1, which is no change, always lies on it."""
    low, high = min(1.0, max(SMALLEST_RATIO, min(numbers))), max(1.0, *numbers)
    low, high = (low, high) if high - low >= LEAST else (1 - LEAST / 2, 1 + LEAST / 2)
    return _logarithmic(low, high, intervals) if high > WIDE * low else _as_logarithmic(low, high, intervals)


def _as_logarithmic(low: float, high: float, intervals: int) -> Axis:
    """The axis of numbers close together: its ticks are the round ones of a linear axis."""
    axis = _stepped(low, high, intervals, base=1.0, ceiling=math.inf)
    return replace(axis, words=f"logarithmic {axis.words}", is_logarithmic=True)


def _logarithmic(low: float, high: float, intervals: int) -> Axis:
    """The axis between the nearest powers of ten, or 1, 2 and 5 times these, with some between as ticks."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    rounds = [step * 10.0**power for power in powers for step in (STEPS if high < VERY_WIDE * low else STEPS[:1])]
    start = max(at for at, one in enumerate(rounds) if one <= low * (1 + 1e-9))
    end = min(at for at, one in enumerate(rounds) if one >= high * (1 - 1e-9))
    count = min(intervals, end - start)
    ticks = tuple(rounds[start + round(at * (end - start) / count)] for at in range(count + 1))
    beyond = ", not from 1" if ticks[0] > 1 else ""
    return Axis(ticks[0], ticks[-1], ticks, f"logarithmic axis from {ticks[0]:g} to {ticks[-1]:g}{beyond}", True)


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
