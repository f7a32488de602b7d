"""The measures in words, and rates with as many digits as their interval supports, for whoever reads a table.

Files and `--json` keep the short names and every digit.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

from holdfast.measure_names import ROWS, place_of
from holdfast.outcomes import Rate
from holdfast.report.perplexity_texts import perplexity_text

Value = TypeVar("Value")
OF_ALL = ("harmful", "all")
"""Groups that are the whole of what a measure is about."""
FEWEST_DECIMALS = 2
MOST_DECIMALS = 6


def ordered(measured: Mapping[str, Value]) -> list[tuple[str, Value]]:
    """What was measured in the order of the measures, groups behind the measure that they are part of."""
    return sorted(measured.items(), key=lambda item: place_of(item[0]))


def measure_words(name: str) -> str:
    """'attack success rate, heldout' for asr/heldout; names that nobody knows stay as they are."""
    measure, _, group = name.partition("/")
    if measure == "lm_eval":
        return f"lm-eval {group.replace('/', ', ')}"
    if name in ROWS:
        return ROWS[name]
    words = ROWS.get(measure) or _any_of(measure) or measure
    return words if not group or (group in OF_ALL and words != measure) else f"{words}, {group}"


def rate_words(rate: Rate) -> str:
    """'0.12 [0.08, 0.17] n=200 (3 unscored)'."""
    return format(rate, f".{decimals(rate)}f")


def perplexity_words(value: float, rate: Rate | None) -> str:
    """'3.11 [2.95, 3.28] n=240', or the value alone where it has no interval."""
    return perplexity_text(value) if rate is None or rate.low is None else rate_words(rate)


def decimals(*rates: Rate) -> int:
    """Decimals up to the first digit of the narrowest half-interval, and never fewer than two."""
    widths = [rate.high - rate.low for rate in rates if rate.low is not None and rate.high is not None]
    narrowest = min((width / 2 for width in widths if width > 0), default=1.0)
    return min(max(math.floor(-math.log10(narrowest)) + 1, FEWEST_DECIMALS), MOST_DECIMALS)


def _any_of(measure: str) -> str | None:
    """The sampling attack: 'attack success rate, any of 5 tries' for asr_any_of_5."""
    before, among, count = measure.partition("_any_of_")
    return f"{ROWS[before]}, any of {count} tries" if among and before in ROWS else None
