"""The measures in words, and rates with as many digits as their interval supports, for whoever reads a table.

Files and `--json` keep the short names and every digit.
"""

import math
from collections.abc import Mapping

from holdfast.outcomes import Rate
from holdfast.report.perplexity_texts import perplexity_text

MEASURES = {
    "asr": "attack success rate",
    "asr_prefilled": "attack success rate, prefilled",
    "not_refused": "harmful prompts not refused",
    "refusal": "refusals of harmful prompts",
    "coherent_refusal": "coherent refusals of harmful prompts",
    "coherence/harmful": "coherent answers to harmful prompts",
    "coherence/prefilled": "coherent answers to prefilled prompts",
    "over_refusal": "over-refusal",
    "coherence/harmless": "coherent answers to harmless prompts",
    "borderline": "over-refusal, borderline prompts",
    "coherence/borderline": "coherent answers to borderline prompts",
    "utility": "utility, right answers",
    "task": "task, right answers",
    "coherence": "coherent answers",
    "degenerate": "share of answers degenerate",
    "cut_off": "share of answers cut off",
    "kl": "KL divergence from the reference",
}
OF_ALL = ("harmful", "all")
"""Groups that are the whole of what a measure is about."""
FEWEST_DECIMALS = 2
MOST_DECIMALS = 6


def ordered(rates: Mapping[str, Rate]) -> list[tuple[str, Rate]]:
    """The rates in the order of the measures, groups behind the measure that they are part of, whatever was first."""
    places = {measure: place for place, measure in enumerate(MEASURES)}

    def place(item: tuple[str, Rate]) -> tuple[int, str]:
        return places.get(item[0], places.get(item[0].partition("/")[0], len(places))), item[0]

    return sorted(rates.items(), key=place)


def measure_words(name: str) -> str:
    """'attack success rate, heldout' for asr/heldout; names that nobody knows stay as they are."""
    measure, _, group = name.partition("/")
    if measure == "lm_eval":
        return f"lm-eval {group.replace('/', ', ')}"
    if name in MEASURES:
        return MEASURES[name]
    words = MEASURES.get(measure) or _any_of(measure) or measure
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
    return f"{MEASURES[before]}, any of {count} tries" if among and before in MEASURES else None
