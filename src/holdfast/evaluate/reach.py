"""The values that a measure could have after, for any second checkpoint.

For a share of n responses, all of them scored, of which B count before:
    value      k / n, k from 0 to n
    .low       at most the low end of Wilson's interval of k of n, and at least 0
    .high      at least the high end of Wilson's interval of k of n, and at most 1
    .unscored  at most n
    p          at least min(1, 2 / 2^|k - B|): at least |k - B| prompts changed, and p is smallest where all of them
               changed one way
Five refusals that are all lost have p = 0.0625, so `p < 0.05` needs six. A prompt that was unscored before is in no
pair, but may count afterwards. For other measures only the bounds of `scale.py` are known.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast.evaluate.condition import Comparison
from holdfast.evaluate.scale import Scale, scale_by_name
from holdfast.evaluate.statistics import wilson_interval
from holdfast.outcomes import Rate

STEP = 1e-6
"""Distance from a bar at which a continuous measure is tried. It is larger than rounding, which counts as equal."""


@dataclass(frozen=True)
class Reach:
    """The values that a measure could have after."""

    measure: str
    before: Rate | None
    """The rate before, for a share of responses. None for other measures."""
    scale: Scale
    """Lowest and highest value of the measure."""

    @classmethod
    def of(cls, measure: str, before: object, scale: Scale | None = None) -> "Reach":
        """Makes the reach of a measure from its value before. Without a scale, the name of the measure tells it."""
        scale = scale or scale_by_name(measure)
        return cls(measure, before if isinstance(before, Rate) and scale.is_share_of_responses else None, scale)

    @property
    def responses(self) -> int:
        """Number of responses, scored or not."""
        return self.before.n + self.before.unscored if self.before else 0

    @property
    def counted(self) -> int:
        """Number of responses that counted before."""
        return round(self.before.value * self.before.n) if self.before and self.before.value is not None else 0

    @property
    def others(self) -> int:
        """Number of responses that were scored before and did not count."""
        return self.before.n - self.counted if self.before else 0

    def values(self, bars: Sequence[float]) -> Iterator[float]:
        """Yields every possible share of the responses. For another measure, its bounds and values around every bar."""
        if self.before:
            yield from (count / self.responses for count in range(self.responses + 1))
            return
        lowest, highest, _ = self.scale
        beside = (bar + side * max(STEP, STEP * abs(bar)) for bar in bars for side in (-1, 0, 1))
        yield from (value for value in (lowest, *beside, highest) if lowest <= value <= highest)

    def most_favourable(self, value: float, comparison: Comparison) -> float:
        """Left side of a comparison, at this value of the measure, that comes closest to meeting it."""
        rising = ">" in comparison.operator
        if comparison.left.end == "unscored":
            return (self.responses or math.inf) if rising else 0.0
        if comparison.left.end == "value":
            return value
        low, high = wilson_interval(value, self.responses) if self.before else (value, value)
        if rising == (comparison.left.end == "high"):
            return self.scale[rising]  # the interval widens up to the bounds as fewer responses are scored
        return low if rising else high

    def most_changes(self, value: float) -> int:
        """Most prompts that could change one way on the way to this value. Negative where they stop counting."""
        change = round(value * self.responses) - self.counted
        unpaired = self.before.unscored if self.before else 0
        return max(max(change - unpaired, -self.counted), min(change, self.others), key=abs)
