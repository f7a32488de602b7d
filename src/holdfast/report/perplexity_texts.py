"""Prints perplexities, and how many times as large as another one they are, with their intervals."""

import math

from holdfast.outcomes import Rate

LONG_PERPLEXITY = 1e6
"""Perplexities from which on their order of magnitude alone is printed."""


def perplexity_text(value: float) -> str:
    """'1.00034' or '3.24': three significant digits of what is beyond 1, where nothing surprises; '1.2e+09'."""
    if value >= LONG_PERPLEXITY:
        return f"{value:.1e}"
    beyond = value - 1
    decimals = 2 - math.floor(math.log10(beyond)) if beyond > 0 else 2
    return f"{value:.{min(max(decimals, 0), 6)}f}"


def perplexity_with_ends(value: float, rate: Rate | None) -> str:
    """'3.11 [2.95, 3.28] n=240', or the value alone where it has no interval."""
    if rate is None or rate.low is None or rate.high is None:
        return perplexity_text(value)
    return f"{perplexity_text(value)} [{perplexity_text(rate.low)}, {perplexity_text(rate.high)}] n={rate.n}"


def ratio_text(value: float) -> str:
    """'1.026': a perplexity over another one, with the three decimals of a difference of rates."""
    return f"{value:.3f}" if value < 10 else perplexity_text(value)


def ratio_with_ends(ratio: Rate) -> str:
    """'1.026 [1.010, 1.042] n=24', or the ratio alone where it has no interval."""
    if ratio.value is None or ratio.low is None or ratio.high is None:
        return "not measured" if ratio.value is None else ratio_text(ratio.value)
    return f"{ratio_text(ratio.value)} [{ratio_text(ratio.low)}, {ratio_text(ratio.high)}] n={ratio.n}"
