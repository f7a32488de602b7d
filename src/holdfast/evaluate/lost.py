"""Prompts that were scored before and not after, because a response, a sample or a verdict is missing.

They are in no pair, so a model would gain from losing the hard ones. A gate therefore passes only if it also does with
each of their missing scores counted against the second model (`weighing.py`). Of several samples of a prompt, only
those that are missing after, beyond those that were missing before, are counted so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TypeVar

from holdfast.evaluate.compared import Compared, Lost
from holdfast.evaluate.counted import LONG_NAMES, flags_by_prompt
from holdfast.evaluate.paired import PairedPrompt, count_prompts, prompts_lost
from holdfast.evaluate.paired_mean import mean_rate, paired_mean
from holdfast.evaluate.response_length import lengths_by_prompt
from holdfast.evaluate.statistics import counted_rate
from holdfast.outcomes import Evaluation, Rate
from holdfast.spelling import joined

Found = TypeVar("Found")
NAMED = 3
"""Measures that a warning names."""


def with_lost(measures: Mapping[str, Compared], before: Evaluation, after: Evaluation) -> dict[str, Compared]:
    """Adds the lost prompts to every measure of two evaluations."""
    alone, shares = short_names(prompts_lost(before, after)), short_names(_shares(before, after))
    lengths = [short_names(lengths_by_prompt(one.answers)) for one in (before, after)]
    found = {}
    for name, measure in measures.items():
        if measure.paired:
            lost = _of_prompts(measure, alone.get(name, ()))
        elif measure.shares:
            lost = _of_shares(measure, shares.get(name, ()))
        else:
            lost = _of_lengths(measure, *(one.get(name, {}) for one in lengths))
        found[name] = replace(measure, lost=lost)
    return found


@dataclass(frozen=True)
class Partial:
    """A number before and the number after of the responses that have one, with the share of those that have none."""

    before: float
    after: float
    missing: float

    @classmethod
    def of(cls, before: float, after: float | None, scored: float, missing: float) -> "Partial":
        """Makes it from both numbers, and how much was scored after and how much more was scored before."""
        return cls(before, after or 0.0, missing / (scored + missing) if missing else 0.0)

    def filled(self, number: float) -> float:
        """Number after if every missing one were this."""
        return (1 - self.missing) * self.after + self.missing * number


def warning_of_lost(measures: Sequence[Compared]) -> str | None:
    """Returns a warning about the lost prompts of these measures. None without any."""
    lost = {one.name: f"{one.lost.count} of {one.lost.total} of {one.name}" for one in measures if one.lost}
    if not lost:
        return None
    named, others = list(lost.values())[:NAMED], len(lost) - NAMED
    listed = joined([*named, f"those of {others} more measures"] if others > 0 else named)
    return (
        f"prompts that were scored before have no score after: {listed}. A condition passes only if it would with each "
        "of them counted against the second model."
    )


def short_names(found: Mapping[str, Found]) -> dict[str, Found]:
    """Gives every measure its short name."""
    return {LONG_NAMES.get(name, name): one for name, one in found.items()}


def _of_prompts(measure: Compared, lost: Sequence[tuple[str, bool]]) -> Lost | None:
    if not lost:
        return None

    def filled(counts: bool) -> Compared:
        prompts = (*measure.prompts, *(PairedPrompt(prompt, before, counts) for prompt, before in lost))
        rate = measure.after
        if isinstance(rate, Rate) and rate.value is not None:
            counted = round(rate.value * rate.n) + counts * len(lost)
            rate = counted_rate(counted, rate.n + len(lost), max(0, rate.unscored - len(lost)))
        return replace(measure, prompts=prompts, paired=count_prompts(prompts), after=rate)

    return Lost(len(lost), len(lost) + len(measure.prompts), filled(True), filled(False))


def _of_shares(measure: Compared, prompts: Sequence[Partial]) -> Lost | None:
    count = sum(prompt.missing > 0 for prompt in prompts)
    if not count:
        return None

    def filled(number: float) -> Compared:
        shares = tuple((prompt.before, prompt.filled(number)) for prompt in prompts)
        return replace(measure, shares=shares, after=bounded_mean([after for _, after in shares], 0.0, 1.0))

    return Lost(count, len(prompts), filled(1.0), filled(0.0))


def _of_lengths(measure: Compared, before: Mapping[int, float], after: Mapping[int, float]) -> Lost | None:
    """Lengths have no upper bound, so the largest is that of the longest response of either model."""
    lost = before.keys() - after.keys()
    if not lost or not after:
        return None

    def filled(length: float) -> Compared:
        pairs = [(before[place], after.get(place, length)) for place in before]
        lengths = [second for _, second in pairs]
        change = paired_mean([first for first, _ in pairs], lengths)
        return replace(measure, lengths=change, after=mean_rate(lengths))

    longest = max([*before.values(), *after.values()])
    return Lost(len(lost), len(before), filled(longest), filled(0.0))


def bounded_mean(numbers: Sequence[float], low: float, high: float) -> Rate:
    """Computes a mean with Student's interval, within the bounds of the scale."""
    mean = mean_rate(numbers)
    if mean.low is None or mean.high is None:
        return mean
    return replace(mean, low=max(mean.low, low), high=min(mean.high, high))


def _shares(before: Evaluation, after: Evaluation) -> dict[str, list[Partial]]:
    """Lists each prompt's shares of samples that count, by measure, over the prompts that were scored before."""
    then, now = (flags_by_prompt(one.answers) for one in (before, after))
    return {
        name: [_of_samples(flags, now.get(name, {}).get(place, [])) for place, flags in prompts.items()]
        for name, prompts in then.items()
    }


def _of_samples(before: Sequence[bool], after: Sequence[bool]) -> Partial:
    missing = max(0, len(before) - len(after))
    return Partial.of(fmean(before), fmean(after) if after else None, len(after), missing)
