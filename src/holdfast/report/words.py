"""Writes measures in words, and rates with as many digits as their interval supports, for tables.

Files and `--json` keep the short names and every digit.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

from holdfast.measure_names import place_of
from holdfast.outcomes import Rate
from holdfast.perplexity_texts import perplexity_between, perplexity_text, ratio_between

Value = TypeVar("Value")
FEWEST_DECIMALS = 2
MOST_DECIMALS = 6


def ordered(measured: Mapping[str, Value]) -> list[tuple[str, Value]]:
    """Sorts results in the order of the measures, with categories of prompts after all totals."""
    return sorted(measured.items(), key=lambda item: place_of(item[0]))


def rate_words(rate: Rate) -> str:
    """Formats a rate: '0.12 [0.08, 0.17] n=200 (3 unscored)'."""
    return format(rate, f".{decimals(rate)}f")


def perplexity_words(value: float, rate: Rate | None) -> str:
    """Formats a perplexity: '3.11 [2.95, 3.28] n=240'. Without an interval: the value alone."""
    return perplexity_text(value) if rate is None or rate.low is None else rate_words(rate)


def shown_numbers(name: str, rate: Rate) -> list[str]:
    """Writes a rate and the ends of its interval with one number of decimals. Without an interval: the rate alone."""
    is_perplexity, value = name.partition("/")[0] == "perplexity", rate.value or 0.0
    if rate.low is None or rate.high is None:
        return [perplexity_text(value) if is_perplexity else f"{value:.{decimals(rate)}f}"]
    if is_perplexity:
        return list(perplexity_between(value, rate.low, rate.high))
    return [f"{number:.{decimals(rate)}f}" for number in (value, rate.low, rate.high)]


def difference_lines(name: str, value: float, low: float, high: float) -> tuple[str, str]:
    """Writes the difference of a rate, or the ratio of perplexities, and its interval."""
    if name.startswith("perplexity"):
        value_text, *ends = ratio_between(value, low, high)
        return f"{value_text} times", f"[{', '.join(ends)}]"
    return f"{value:+z.3f}", f"[{low:+z.3f}, {high:+z.3f}]"


def decimals(*rates: Rate) -> int:
    """Returns the decimals up to the first digit of the narrowest half-interval, at least two."""
    widths = [rate.high - rate.low for rate in rates if rate.low is not None and rate.high is not None]
    narrowest = min((width / 2 for width in widths if width > 0), default=1.0)
    return min(max(math.floor(-math.log10(narrowest)) + 1, FEWEST_DECIMALS), MOST_DECIMALS)
