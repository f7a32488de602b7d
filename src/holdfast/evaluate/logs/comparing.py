"""Compares two logs measure by measure, on the samples that both have.

0 or 1   A measure whose numbers are all 0 or 1 is a share: Wilson's interval, and the exact McNemar test on the
         samples scored in both logs.
others   Any other measure is a mean: Student's interval, and the paired t test on the same samples.

A measure of several tasks or probes is taken over all their samples, and has a group for each of them, as in asr and
asr/dan.Dan_11_0. All p values are corrected together (Holm).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from holdfast.evaluate.compared import Compared, Measures
from holdfast.evaluate.condition import Condition
from holdfast.evaluate.gate import Gate, Undecided, gate_measures
from holdfast.evaluate.inverted import refuse_inverted
from holdfast.evaluate.logs.log import Log, Sample
from holdfast.evaluate.logs.matching import Matched, match_samples, warning_of_generation
from holdfast.evaluate.paired import PairedPrompt, count_prompts
from holdfast.evaluate.paired_mean import mean_rate, paired_mean
from holdfast.evaluate.scale import UNBOUNDED, Scale
from holdfast.evaluate.statistics import counted_rate
from holdfast.holm import holm
from holdfast.measure_names import place_of
from holdfast.outcomes import Rate
from holdfast.printable import printable
from holdfast.spelling import meant

Pairs = Sequence[tuple[Sample, Sample]]
Numbers = Sequence[float | None]


class Covered(NamedTuple):
    """A measure with the samples that it is taken over."""

    measure: str
    pairs: Pairs


@dataclass(frozen=True)
class LogGate:
    """Comparison of two logs: the gate, and the samples that it compared."""

    gate: Gate
    matched: Matched


def gate_logs(
    before: Log,
    after: Log,
    conditions: Sequence[Condition] = (),
    *,
    measures: Sequence[str] = (),
    allow_inverted: bool = False,
    strict: bool = False,
    undecided: Undecided = "fail",
) -> LogGate:
    """Compares two logs and checks the conditions of a gate, as `gate` does for evaluations.

    Args:
        before: log of the first model.
        after: log of the second.
        conditions: each fails the gate if it is met.
        measures: names of the measures to compare. Without any, all are compared.
        allow_inverted: whether a condition that only a gain can meet is warned of, and not refused.
        strict: whether every condition must be able to fail.
        undecided: what a condition does that the samples cannot decide.

    Raises:
        ValueError: the logs can't be matched, or a measure is in neither of them.
    """
    if not allow_inverted:
        refuse_inverted(conditions)
    matched = match_samples(before, after)
    compared = compare_samples(matched.pairs, measures)
    for condition in conditions:
        _require_measure(condition.measure, compared, f"the condition {condition.text!r} names")
    warnings = tuple(filter(None, (matched.warning, warning_of_generation(before, after))))
    gate = gate_measures(compared, conditions, strict=strict, undecided=undecided)
    return LogGate(replace(gate, warnings=(*warnings, *gate.warnings)), matched)


def compare_samples(pairs: Pairs, chosen: Sequence[str] = ()) -> Measures:
    """Compares every measure of matched samples, or the chosen ones, with p values corrected for their number."""
    known = measured_samples(pairs)
    for name in chosen:
        _require_measure(name, known, "--measure is")
    names = sorted(dict.fromkeys(chosen) if chosen else known, key=place_of)
    found = {name: _compare(name, *known[name]) for name in names}
    p_values = {name: one.p_value for name, one in found.items() if one.p_value is not None}
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return Measures({name: replace(one, corrected_p=corrected.get(name)) for name, one in found.items()})


def measured_samples(pairs: Pairs) -> dict[str, Covered]:
    """Lists the pairs that each measure and each of its groups covers. One group alone is the measure itself."""
    groups: dict[str | None, list[tuple[Sample, Sample]]] = {}
    for pair in pairs:
        groups.setdefault(pair[0].group, []).append(pair)
    covered: dict[str, dict[str | None, Pairs]] = {}
    for group, members in groups.items():
        for name in dict.fromkeys(chain.from_iterable(sample.numbers for pair in members for sample in pair)):
            covered.setdefault(name, {})[group] = members
    found: dict[str, Covered] = {}
    for name, by_group in covered.items():
        found[name] = Covered(name, list(chain.from_iterable(by_group.values())))
        if len(by_group) > 1:
            found |= {f"{name}/{group}": Covered(name, members) for group, members in by_group.items()}
    return found


def summarize(log: Log) -> dict[str, Rate]:
    """Computes every measure of one log with its interval, by name."""
    known = measured_samples([(sample, sample) for sample in log.samples])
    numbers = {name: _numbers(*covered, side=0) for name, covered in known.items()}
    return {name: _rate(numbers[name], scale_of(numbers[name])) for name in sorted(numbers, key=place_of)}


def _compare(name: str, measure: str, pairs: Pairs) -> Compared:
    before, after = (_numbers(measure, pairs, side) for side in (0, 1))
    scale = scale_of([*before, *after])
    has = [any(measure in pair[side].numbers for pair in pairs) for side in (0, 1)]
    then, now = (_rate(side, scale) if is_there else None for side, is_there in zip((before, after), has, strict=True))
    both = [
        (pair, first, second)
        for pair, first, second in zip(pairs, before, after, strict=True)
        if first is not None and second is not None
    ]
    if not scale.is_share_of_responses:
        numbers = tuple((first, second) for _, first, second in both)
        mean = paired_mean([first for first, _ in numbers], [second for _, second in numbers])
        return Compared(name, then, now, mean=mean, shares=() if scale == UNBOUNDED else numbers, scale=scale)
    prompts = tuple(_paired(pair, bool(first), bool(second)) for pair, first, second in both)
    return Compared(name, then, now, prompts, count_prompts(prompts) if prompts else None, scale=scale)


def _paired(pair: tuple[Sample, Sample], before: bool, after: bool) -> PairedPrompt:
    return PairedPrompt(pair[0].label, before, after, (pair[0].response, pair[1].response))


def _numbers(measure: str, pairs: Pairs, side: int) -> list[float | None]:
    return [pair[side].numbers.get(measure) for pair in pairs]


def scale_of(numbers: Numbers) -> Scale:
    """Finds the scale of a measure from its numbers: a share of samples, a number in [0, 1], or any number."""
    scored = {number for number in numbers if number is not None}
    if scored <= {0.0, 1.0}:
        return Scale(0.0, 1.0, is_share_of_responses=True)
    return Scale(0.0, 1.0) if all(0 <= number <= 1 for number in scored) else UNBOUNDED


def _rate(numbers: Numbers, scale: Scale) -> Rate:
    """Computes a share with Wilson's interval, or a mean with Student's, within the bounds of the scale."""
    scored = [number for number in numbers if number is not None]
    unscored = len(numbers) - len(scored)
    if scale.is_share_of_responses:
        return counted_rate(int(sum(scored)), len(scored), unscored)
    mean = mean_rate(scored, unscored)
    if mean.low is None or mean.high is None:
        return mean
    return replace(mean, low=max(mean.low, scale.low), high=min(mean.high, scale.high))


def _require_measure(name: str, known: Mapping[str, object], who: str) -> None:
    if name not in known:
        raise ValueError(printable(f"{who} {name!r}, which neither log has; {meant(name, known)}."))
