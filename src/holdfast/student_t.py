"""Student's t with an integer number nu of degrees of freedom, for intervals whose variance comes from few numbers.

P[|T| < t] = 2/pi (a + s c (1 + 2/3 c^2 + 2/3 4/5 c^4 + ...))      nu odd, terms up to c^(nu - 3); 2a/pi for nu = 1
P[|T| < t] = s (1 + 1/2 c^2 + 1/2 3/4 c^4 + ...)                   nu even, terms up to c^(nu - 2)
a = arctan(t / sqrt(nu)),  s = sin a,  c = cos a                   (Abramowitz and Stegun, 26.7.3 and 26.7.4)
"""

import math
from functools import cache

Z_95 = 1.959963984540054
"""The quantile for infinitely many degrees of freedom, which is the normal distribution's."""


def chance_within(t: float, freedom: int) -> float:
    """The chance that |T| is below t, for t >= 0 and an integer of at least 1 degree of freedom."""
    angle = math.atan(t / math.sqrt(freedom))
    odd, cosine = freedom % 2, math.cos(angle)
    term, total = 1.0, 0.0
    for factor in range(odd + 1, freedom, 2):
        total += term
        term *= factor / (factor + 1) * cosine**2
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * cosine * total)
    return math.sin(angle) * total


def quantile(freedom: int, chance: float) -> float:
    """Computes the t below which |T| lies with this chance. It is at least 0.0001 and at most 1e6."""
    low, high = 1e-4, 1e6
    while high - low > 1e-12 * high:
        middle = math.sqrt(low * high) if high > 2 * low else (low + high) / 2
        low, high = (middle, high) if chance_within(middle, freedom) < chance else (low, middle)
    return high


@cache
def quantile_95(freedom: int) -> float:
    """Computes the t below which |T| lies with a chance of 0.95: 12.7 for one degree of freedom, 1.96 for very many."""
    return quantile(freedom, 0.95)
