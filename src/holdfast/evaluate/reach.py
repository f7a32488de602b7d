"""What a measure could read after, whatever the second checkpoint is.

A share of n responses, every one of them scored, of which B count before:
    value      k / n, k from 0 to n
    .low       at most the low end of Wilson's interval of k of n, and at least 0
    .high      at least the high end of Wilson's interval of k of n, and at most 1
    .unscored  at most n
    p          at least min(1, 2 / 2^|k - B|): at least |k - B| prompts changed, and p is smallest where all of them
               changed one way
Five refusals that are all lost have p = 0.0625, so `p < 0.05` needs six. A prompt that was unscored before is in no
pair, and may count afterwards. Of other measures only the bounds of `scale.py` are known.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast.evaluate.condition import Comparison
from holdfast.evaluate.scale import bounds_of, is_share_of_responses
from holdfast.evaluate.statistics import wilson_interval
from holdfast.outcomes import Rate

STEP = 1e-6
"""How far beside a bar a measure without steps is tried: more than rounding, which counts as equal."""


@dataclass(frozen=True)
class Reach:
    """The readings that a measure could have after."""

    measure: str
    before: Rate | None
    """The rate before of a share of responses; None for other measures."""

    @classmethod
    def of(cls, measure: str, before: object) -> "Reach":
        """The reach of a measure that read so before."""
        return cls(measure, before if isinstance(before, Rate) and is_share_of_responses(measure) else None)

    @property
    def responses(self) -> int:
        """Responses of a share, scored or not."""
        return self.before.n + self.before.unscored if self.before else 0

    @property
    def counted(self) -> int:
        """Responses that counted before."""
        return round(self.before.value * self.before.n) if self.before and self.before.value is not None else 0

    @property
    def others(self) -> int:
        """Responses that were scored before and did not count."""
        return self.before.n - self.counted if self.before else 0

    def values(self, bars: Sequence[float]) -> Iterator[float]:
        """Every share of the responses; of another measure its bounds, and values on each side of every bar."""
        if self.before:
            yield from (count / self.responses for count in range(self.responses + 1))
            return
        lowest, highest = bounds_of(self.measure)
        beside = (bar + side * max(STEP, STEP * abs(bar)) for bar in bars for side in (-1, 0, 1))
        yield from (one for one in (lowest, *beside, highest) if lowest <= one <= highest)

    def most_favourable(self, value: float, one: Comparison) -> float:
        """The left side of a comparison, at this value of the measure, where it comes closest to being met."""
        rising = ">" in one.operator
        if one.left.end == "unscored":
            return (self.responses or math.inf) if rising else 0.0
        if one.left.end == "value":
            return value
        low, high = wilson_interval(value, self.responses) if self.before else (value, value)
        if rising == (one.left.end == "high"):
            return bounds_of(self.measure)[rising]  # with fewer responses scored the interval is as wide as that
        return low if rising else high

    def most_changes(self, value: float) -> int:
        """The most prompts that could change one way on the way to this value; below 0 where they cease to count."""
        change = round(value * self.responses) - self.counted
        unpaired = self.before.unscored if self.before else 0
        return max(max(change - unpaired, -self.counted), min(change, self.others), key=abs)
