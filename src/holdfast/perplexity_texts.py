"""Formats perplexities and ratios of perplexities, with their intervals."""

import math

from holdfast.outcomes import Rate

LONG_PERPLEXITY = 1e6
"""Perplexity from which on two digits and an exponent are printed."""

LEAST_OWN = 1000.0
"""Upper end of an interval from which on a perplexity and its ends are each printed with their own digits."""


def perplexity_text(value: float) -> str:
    """Formats a perplexity with three significant digits of its excess over 1: '1.00034', '3.24', or '1.2e+09'."""
    if value >= LONG_PERPLEXITY:
        return f"{value:.1e}"
    beyond = value - 1
    decimals = 2 - math.floor(math.log10(beyond)) if beyond > 0 else 2
    return f"{value:.{min(max(decimals, 0), 6)}f}"


def perplexity_between(value: float, low: float, high: float) -> tuple[str, str, str]:
    """Formats a perplexity and its ends with one number of decimals: '1.076', '1.000', '1.172'.

    The interval's width and its lower end both get three significant digits at least, up to six decimals. If the upper
    end is 1000 or more, every number has its own digits.
    """
    width = high - low
    if high >= LEAST_OWN or not width > 0:
        return perplexity_text(value), perplexity_text(low), perplexity_text(high)
    decimals = min(max(2 - math.floor(math.log10(min(width, max(low, 1.0)))), 0), 6)
    return f"{value:.{decimals}f}", f"{low:.{decimals}f}", f"{high:.{decimals}f}"


def perplexity_with_ends(value: float, rate: Rate | None) -> str:
    """Formats a perplexity with its interval: '3.11 [2.95, 3.28] n=240'. Without an interval: the value alone."""
    if rate is None or rate.low is None or rate.high is None:
        return perplexity_text(value)
    return f"{perplexity_text(value)} [{perplexity_text(rate.low)}, {perplexity_text(rate.high)}] n={rate.n}"


def ratio_text(value: float) -> str:
    """Formats a ratio of perplexities with three decimals, like a difference of rates: '1.026'."""
    return f"{value:.3f}" if value < 10 else perplexity_text(value)


def ratio_between(value: float, low: float, high: float) -> tuple[str, str, str]:
    """Formats a ratio and its ends with as many digits as show the interval's width: '0.99962', '0.99921', '1.00003'.

    The width gets two significant digits. There are three decimals at least, and six at most.
    """
    width = high - low
    decimals = 1 - math.floor(math.log10(width)) if 0 < width < math.inf else 3
    if decimals <= 3:
        return ratio_text(value), ratio_text(low), ratio_text(high)
    shown = f".{min(decimals, 6)}f"
    return f"{value:{shown}}", f"{low:{shown}}", f"{high:{shown}}"


def ratio_with_ends(ratio: Rate) -> str:
    """Formats a ratio with its interval: '1.026 [1.010, 1.042] n=24'. Without an interval: the ratio alone."""
    if ratio.value is None or ratio.low is None or ratio.high is None:
        return "not measured" if ratio.value is None else ratio_text(ratio.value)
    value, low, high = ratio_between(ratio.value, ratio.low, ratio.high)
    return f"{value} [{low}, {high}] n={ratio.n}"
