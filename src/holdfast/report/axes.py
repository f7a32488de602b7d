"""Axes that span the measured numbers, and say their range in words where a reader would expect another.

Perplexity has a logarithmic axis. Under strong noise a model writes garbage whose perplexity is thousands of times as
large, so that a linear axis would draw all other models at one place.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

STEPS = (1.0, 2.0, 5.0)
WHOLE = 0.5
"""Span of measured rates from which on an axis shows all of 0 to 1."""
WIDE = 3.0
"""Largest number divided by the smallest, from which on ticks are 1, 2 and 5 times powers of ten."""
SMALLEST_RATIO = 1e-6
"""Smallest number that an axis of ratios shows. The end of an interval may be 0."""
VERY_WIDE = 1000.0
"""Largest number divided by the smallest, from which on ticks are powers of ten only."""
LEAST = 0.02
"""Smallest span of an axis of rates, so that a tiny difference does not look large."""


@dataclass(frozen=True)
class Axis:
    """An axis: a range of numbers with its ticks."""

    first: float
    last: float
    ticks: tuple[float, ...]
    words: str
    """Names the range, where a reader would expect another one."""
    is_logarithmic: bool = False
    """Tells whether equal distances mean equal ratios."""

    @property
    def decimals(self) -> int:
        """Number of decimals that tells values on the axis apart: at least two, at most four."""
        return min(4, max(2, 3 - math.ceil(math.log10(self.last - self.first) - 1e-9)))

    def share(self, value: float) -> float:
        """Returns the position of a value on the axis: 0 at the first end, 1 at the last."""
        if self.is_logarithmic:
            return math.log(max(value, self.first) / self.first) / math.log(self.last / self.first)
        return (value - self.first) / (self.last - self.first)


def rate_axis(numbers: Sequence[float], intervals: int = 4) -> Axis:
    """Makes a linear axis for rates.

    Args:
        numbers: values and ends of intervals that the axis must show, in [0, 1].
        intervals: largest number of intervals between ticks.
    """
    low, high = max(0.0, min(numbers, default=0.0)), min(1.0, max(numbers, default=1.0))
    if high - low >= WHOLE:
        count = 4 if intervals >= 4 else 2
        return Axis(0.0, 1.0, tuple(at / count for at in range(count + 1)), "")
    # Starts at 0 if that costs less than half of the axis, because lengths can then be compared as well.
    low = max(0.0, min(low, high - LEAST))
    low = 0.0 if low < high - low else low
    return _stepped(low, max(high, low + LEAST), intervals, ceiling=1.0)


def length_axis(numbers: Sequence[float], intervals: int = 4) -> Axis:
    """Makes a linear axis from 0 for mean numbers of tokens, so that lengths can be compared."""
    return _stepped(0.0, max(1.0, *numbers), intervals, ceiling=math.inf)


def change_axis(numbers: Sequence[float], *, base: float = 0.0, intervals: int = 4) -> Axis:
    """Makes a linear axis that always includes the number of no change: 0 for differences, 1 for ratios."""
    low, high = min(base, *numbers), max(base, *numbers)
    return _stepped(low, max(high, low + LEAST), intervals, base=base, ceiling=math.inf)


def perplexity_axis(numbers: Sequence[float], intervals: int = 2) -> Axis:
    """Makes a logarithmic axis for perplexities. It starts at 1, the smallest one, unless that hides differences."""
    low, high = min(numbers), max(numbers)
    low = 1.0 if low == high or low * low < high else low
    high = max(high, low + 1e-4)
    return _logarithmic(low, high, intervals) if high > WIDE * low else _as_logarithmic(low, high, intervals)


def ratio_axis(numbers: Sequence[float], intervals: int = 2) -> Axis:
    """Makes a logarithmic axis for ratios of perplexities. It always includes 1, which means no change."""
    low, high = min(1.0, max(SMALLEST_RATIO, min(numbers))), max(1.0, *numbers)
    low, high = (low, high) if high - low >= LEAST else (1 - LEAST / 2, 1 + LEAST / 2)
    return _logarithmic(low, high, intervals) if high > WIDE * low else _as_logarithmic(low, high, intervals)


def _as_logarithmic(low: float, high: float, intervals: int) -> Axis:
    """Makes a logarithmic axis for numbers close together, with the round ticks of a linear axis."""
    axis = _stepped(low, high, intervals, base=1.0, ceiling=math.inf)
    return replace(axis, words=f"logarithmic {axis.words}", is_logarithmic=True)


def _logarithmic(low: float, high: float, intervals: int) -> Axis:
    """Makes a logarithmic axis whose ticks are powers of ten, or 1, 2 and 5 times these."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    rounds = [step * 10.0**power for power in powers for step in (STEPS if high < VERY_WIDE * low else STEPS[:1])]
    start = max(at for at, number in enumerate(rounds) if number <= low * (1 + 1e-9))
    end = min(at for at, number in enumerate(rounds) if number >= high * (1 - 1e-9))
    count = min(intervals, end - start)
    ticks = tuple(rounds[start + round(at * (end - start) / count)] for at in range(count + 1))
    beyond = ", not from 1" if ticks[0] > 1 else ""
    return Axis(ticks[0], ticks[-1], ticks, f"logarithmic axis from {ticks[0]:g} to {ticks[-1]:g}{beyond}", True)


def _stepped(low: float, high: float, intervals: int, *, base: float = 0.0, ceiling: float) -> Axis:
    """Makes a linear axis with the finest round step, counted from the base, that needs at most so many intervals."""
    start, end, step = 0, 0, 1.0
    for step in _round_steps((high - low) / intervals):
        start, end = math.floor((low - base) / step + 1e-9), math.ceil((high - base) / step - 1e-9)
        if end - start <= intervals:
            break
    ticks = tuple(round(base + at * step, 12) for at in range(start, end + 1) if base + at * step <= ceiling + 1e-9)
    beyond = f", not from {base:g}" if ticks[0] > base else ""
    return Axis(ticks[0], ticks[-1], ticks, f"axis from {ticks[0]:g} to {ticks[-1]:g}{beyond}")


def _round_steps(least: float) -> Iterator[float]:
    """Yields 1, 2 and 5 times powers of ten in rising order, from the smallest that is at least `least`."""
    power = math.floor(math.log10(max(least, 1e-9)))
    while True:
        yield from (step * 10.0**power for step in STEPS if step * 10.0**power >= least * (1 - 1e-9))
        power += 1
