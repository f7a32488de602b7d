"""Replaces a figure that would show one number many times by a line of text."""

from collections.abc import Sequence

from holdfast.outcomes import Rate
from holdfast.perplexity_texts import perplexity_with_ends
from holdfast.report.arms import Arm, is_perplexity, measure_label
from holdfast.report.records import Noise, NoiseRates, measured


def same_in_all(arms: Sequence[Arm], measure: str) -> str | None:
    """Writes 'Over-refusal 0.00 [0.00, 0.01] n=256' if all arms have the same rate. None if they differ."""
    rates = [rate for arm in arms if (rate := arm.rate(measure)) and rate.value is not None]
    if len(rates) < 2 or not _all_same(rates):
        return None
    value = rates[0].value if is_perplexity(measure) else None
    shown = str(rates[0]) if value is None else perplexity_with_ends(value, rates[0])
    return f"{measure_label(measure)} {shown}"


def same_under_noise(verify: Noise, measure: str) -> str | None:
    """Writes 'Utility 1.00' if the rate is the same under every noise on every mask. None if it differs."""
    rates = _noise_rates(verify.rates(measure))
    if len(rates) < 2 or not _all_same(rates, ends=False):  # the untouched model answers more prompts
        return None
    return f"{measure_label(measure)} {rates[0].value:.2f}"


def _noise_rates(rates: NoiseRates) -> list[Rate]:
    every = [rates.baseline, *(rate for arm in rates.arms.values() for rate in arm)]
    return [rate for rate in map(measured, every) if rate]


def _all_same(rates: Sequence[Rate], *, ends: bool = True) -> bool:
    return len({(rate.value, rate.low, rate.high) if ends else rate.value for rate in rates}) == 1
