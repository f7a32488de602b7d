"""The difference of two rates with a 95% interval, from paired prompts or from the two intervals alone.

For the same n prompts, of which b count only before and c only after (D. Bonett, R. Price, Adjusted Wald interval for
a difference of binomial proportions based on paired data, J. Educ. Behav. Stat. 37, 2012):
    p = (b + 1) / (n + 2)    q = (c + 1) / (n + 2)    q - p -+ z sqrt((p + q - (q - p)^2) / (n + 2))
For two rates x in [l, u] and y in [m, v] whose prompts can't be paired (R. Newcombe, Stat. Med. 17, 1998, from any
intervals: MOVER, A. Donner, G. Zou, Stat. Methods Med. Res. 21, 2012):
    y - x - sqrt((y - m)^2 + (u - x)^2)    to    y - x + sqrt((v - y)^2 + (x - l)^2)
The second interval is too wide where both rates are of the same prompts. A claim then needs more prompts to be decided,
but is not decided wrongly.
"""

import math
from dataclasses import dataclass

from holdfast.decision import Interval
from holdfast.outcomes import Rate
from holdfast.student_t import Z_95


@dataclass(frozen=True)
class Difference:
    """After minus before, with its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return format(self, "+z.3f")

    def __format__(self, form: str) -> str:
        form = form or "+z.3f"
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"

    @property
    def interval(self) -> Interval:
        """Lower and upper end of the 95% interval."""
        return self.low, self.high


def paired_difference(n: int, only_before: int, only_after: int) -> Difference | None:
    """The change of a rate on the same n prompts, from those that count only before or only after. None without any."""
    if not n:
        return None
    before, after = (only_before + 1) / (n + 2), (only_after + 1) / (n + 2)
    centre = after - before
    half = Z_95 * math.sqrt((before + after - centre**2) / (n + 2))
    return Difference((only_after - only_before) / n, max(-1.0, centre - half), min(1.0, centre + half))


def rate_difference(before: Rate, after: Rate, factor: float = 1.0) -> Difference | None:
    """The rate after minus `factor` times the rate before, from their intervals. None where one interval is missing."""
    x, low_x, high_x = (None if end is None else factor * end for end in (before.value, before.low, before.high))
    y, low_y, high_y = after.value, after.low, after.high
    if x is None or low_x is None or high_x is None or y is None or low_y is None or high_y is None:
        return None
    below, above = math.hypot(y - low_y, high_x - x), math.hypot(high_y - y, x - low_x)
    return Difference(y - x, y - x - below, y - x + above)
