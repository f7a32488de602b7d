"""Compares two logs measure by measure, on the samples that both have.

0 or 1   A measure whose numbers are all 0 or 1 is a share: Wilson's interval, and the exact McNemar test on the
         samples scored in both logs.
others   Any other measure is a mean: Student's interval, and the paired t test on the same samples.

A measure of several tasks or probes is taken over all their samples, and has a group for each of them, as in asr and
asr/dan.Dan_11_0. All p values are corrected together (Holm).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from holdfast.evaluate.compared import Compared, Lost, Measures, UnscoredPrompt
from holdfast.evaluate.condition import Condition
from holdfast.evaluate.gate import Gate, GateOptions, gate_measures
from holdfast.evaluate.gate_side import GateSide
from holdfast.evaluate.inverted import refuse_inverted
from holdfast.evaluate.logs.log import Log, Sample
from holdfast.evaluate.logs.matching import (
    match_samples,
    refuse_mismatch,
    warning_of_generation,
    warning_of_repeats,
)
from holdfast.evaluate.logs.order import warnings_of_order
from holdfast.evaluate.lost import Partial
from holdfast.evaluate.paired import PairedPrompt, count_prompts
from holdfast.evaluate.paired_mean import mean_rate, paired_mean
from holdfast.evaluate.scale import UNBOUNDED, Scale
from holdfast.evaluate.statistics import counted_rate
from holdfast.evaluate.suspicious import warning_of_same_texts
from holdfast.evaluate.unscored import newly_unscored_first
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
    missing: Sequence[Sample] = ()
    """Samples that only the first log has."""


def gate_logs(
    before: Log,
    after: Log,
    conditions: Sequence[Condition] = (),
    options: GateOptions = GateOptions(),
    measures: Sequence[str] = (),
    accept: str = "allow_mismatch=True",
) -> Gate:
    """Compares two logs and checks the conditions of a gate, as `gate` does for evaluations.

    Args:
        before: log of the first model.
        after: log of the second.
        conditions: each fails the gate if it is met.
        options: options of the gate.
        measures: names of the measures to compare. Without any, all are compared.
        accept: the option that accepts logs which differ in more than the model, for an error.

    Raises:
        ValueError: the logs can't be matched, or a measure is in neither of them. Or there are conditions, and the
            logs differ in more than the model, which `allow_mismatch` accepts.
    """
    if not options.allow_inverted:
        refuse_inverted(conditions)
    matched = match_samples(before, after)
    if conditions and not options.allow_mismatch:
        refuse_mismatch(before, after, matched, accept)
    compared = compare_samples(matched.pairs, measures, matched.missing)
    for condition in conditions:
        _require_measure(condition.measure, compared, f"the condition {condition.text!r} names")
    same = warning_of_same_texts([(first.response, second.response) for first, second in matched.pairs])
    about = (matched.warning, warning_of_repeats(matched.pairs), warning_of_generation(before, after), same)
    warnings = (*filter(None, about), *warnings_of_order(before, after))
    gate = gate_measures(compared, conditions, options)
    sides = (_side_of(before), _side_of(after))
    return replace(gate, warnings=(*warnings, *gate.warnings), sides=sides, matched=matched)


def _side_of(log: Log) -> GateSide:
    return GateSide(file=str(log.path), model=log.model, program=log.program)


def compare_samples(pairs: Pairs, chosen: Sequence[str] = (), missing: Sequence[Sample] = ()) -> Measures:
    """Compares every measure of matched samples, or the chosen ones, with p values corrected for their number.

    Args:
        pairs: the samples that both logs have.
        chosen: names of the measures, each with its groups. Without any, all are compared.
        missing: samples that only the first log has.
    """
    known = measured_samples(pairs, missing)
    for name in chosen:
        _require_measure(name, known, "the chosen measure is")
    with_groups = (name for name in known if name in chosen or name.startswith(tuple(f"{one}/" for one in chosen)))
    names = sorted(with_groups if chosen else known, key=place_of)
    found = {name: _compare_with_lost(name, known[name]) for name in names}
    p_values = {name: one.p_value for name, one in found.items() if one.p_value is not None}
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return Measures({name: replace(one, corrected_p=corrected.get(name)) for name, one in found.items()})


def measured_samples(pairs: Pairs, missing: Sequence[Sample] = ()) -> dict[str, Covered]:
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
        found[name] = Covered(name, list(chain.from_iterable(by_group.values())), missing)
        if len(by_group) > 1:
            lost = {group: [sample for sample in missing if sample.group == group] for group in by_group}
            found |= {f"{name}/{group}": Covered(name, members, lost[group]) for group, members in by_group.items()}
    return found


def summarize(log: Log) -> dict[str, Rate]:
    """Computes every measure of one log with its interval, by name."""
    known = measured_samples([(sample, sample) for sample in log.samples])
    numbers = {name: _numbers(covered.measure, covered.pairs, side=0) for name, covered in known.items()}
    return {name: _rate(numbers[name], scale_of(numbers[name])) for name in sorted(numbers, key=place_of)}


def _compare_with_lost(name: str, covered: Covered) -> Compared:
    """Compares a measure, also with the scores that are missing after at both ends of its scale."""
    measure, every = covered.measure, [*covered.pairs, *((one, _without_numbers(one)) for one in covered.missing)]
    numbers = [number for side in (0, 1) for number in _numbers(measure, every, side)]
    scale = scale_of(numbers)
    unscored = newly_unscored_first(
        [_unscored(measure, *pair) for pair in covered.pairs if _has_unscored(measure, pair[1])]
    )
    compared = replace(_compare(name, measure, covered.pairs, scale), unscored=tuple(unscored))
    partial = {place: _partial(measure, *pair) for place, pair in enumerate(every)}
    was_scored = {place: one for place, one in partial.items() if one is not None}
    lost = {place: one for place, one in was_scored.items() if one.missing}
    if not lost:
        return compared
    known = [number for number in numbers if number is not None]
    if scale.is_share_of_responses and any(one.missing < 1 for one in lost.values()):
        scale = Scale(0.0, 1.0)  # of several responses some are missing, so the filled numbers lie between 0 and 1
    # A number without bounds is filled by the largest and the smallest one that was measured.
    ends = (max(known), min(known)) if scale == UNBOUNDED else (scale.high, scale.low)
    filled = [
        [
            (pair[0], _with_number(pair[1], measure, lost[place].filled(end))) if place in lost else pair
            for place, pair in enumerate(every)
        ]
        for end in ends
    ]
    extremes = (_compare(name, measure, pairs, scale) for pairs in filled)
    return replace(compared, lost=Lost(len(lost), len(was_scored), *extremes))


def _has_unscored(measure: str, after: Sample) -> bool:
    return after.numbers.get(measure) is None or after.unscored.get(measure, 0.0) > 0


def _unscored(measure: str, before: Sample, after: Sample) -> UnscoredPrompt:
    number = before.numbers.get(measure)
    return UnscoredPrompt(before.label, None if number is None else bool(number), (before.response, after.response))


def _partial(measure: str, before: Sample, after: Sample) -> Partial | None:
    """Describes what is missing after of a sample. None if it had no number before."""
    then, now = before.numbers.get(measure), after.numbers.get(measure)
    if then is None:
        return None
    unscored = 1.0 if now is None else after.unscored.get(measure, 0.0)
    return Partial.of(then, now, 1 - unscored, max(0.0, unscored - before.unscored.get(measure, 0.0)))


def _without_numbers(sample: Sample) -> Sample:
    return replace(sample, numbers={}, response="", unscored={})


def _with_number(sample: Sample, measure: str, number: float) -> Sample:
    return replace(sample, numbers={**sample.numbers, measure: number})


def _compare(name: str, measure: str, pairs: Pairs, scale: Scale) -> Compared:
    before, after = (_numbers(measure, pairs, side) for side in (0, 1))
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
