"""Checks an evaluation's rates before a gate reads them: their ranges, and whether the answers beside them agree.

A damaged or edited file must not turn a gate green. So every rate is a finite number on the scale of its measure, with
its interval around it, and a rate whose answers are in the file is what these answers give. The same holds for
perplexity and its losses, and for mean lengths. Pooled evaluations hold no answers, and files of earlier versions lack
some verdicts. Rates without answers have only their ranges checked.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from holdfast.evaluate.attack_success import any_of, any_unsafe
from holdfast.evaluate.coherence import coherence_of
from holdfast.evaluate.counted import NAMES_OF_GROUPS, REFUSED_QUESTIONS
from holdfast.evaluate.measure import COUNTED, by_prompt, group_of
from holdfast.evaluate.response_length import length_rates
from holdfast.evaluate.scale import bounds_of
from holdfast.evaluate.statistics import rate
from holdfast.evaluate.token_losses import from_one, losses_by_name, perplexity_rate
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate, Verdict
from holdfast.printable import printable

ROUNDING = 1e-6
"""Largest difference that rounding explains: sums in another order, or a KL divergence just below 0."""
VERBS = {
    "refused": "refuse",
    "unsafe": "are unsafe",
    "correct": "are correct",
    "degenerate": "are degenerate",
    "coherent": "are coherent",
}
"""Words for answers that count, by verdict."""
Members = dict[str, tuple[Verdict, list[Outcome]]]
"""Verdict that each rate counts, and the outcomes of its answers, by the name of the rate."""


@dataclass(frozen=True)
class _Source:
    """The evaluation that is checked, as its sentences name it."""

    name: str

    def refuse(self, what: str) -> NoReturn:
        raise ValueError(printable(f"{self.name} {what}; evaluate the checkpoint again."))

    def contradicts(self, field: str, value: object, truth: str) -> NoReturn:
        shown = round(value, 4) if isinstance(value, float) else value
        self.refuse(f"contradicts itself: {field} is {shown}, and {truth}")


def require_consistent(evaluation: Evaluation, name: str) -> None:
    """Raises ValueError when a rate is out of its range, or contradicts the answers of the same evaluation.

    Args:
        evaluation: the evaluation to check.
        name: words for it in a sentence, such as its file.
    """
    source = _Source(name)
    rates = evaluation.rates
    for field, measured in rates.items():
        _check_range(source, field, measured)
    _check_answers(source, evaluation.answers)
    single = all(len(samples) == 1 for samples in by_prompt(evaluation.answers))
    for field, (verdict, outcomes) in _members(evaluation.answers).items():
        if field in rates:
            _check_rate(source, field, rates[field], verdict, outcomes, with_interval=single)
    _check_perplexity(source, evaluation, rates)
    _check_lengths(source, evaluation.answers, rates)
    for field, measured in rates.items():
        _check_interval(source, field, measured)


def _check_range(source: _Source, field: str, measured: Rate) -> None:
    """Refuses a rate whose numbers are no numbers, or are off the scale of its measure."""
    for end in ("n", "unscored"):
        count = getattr(measured, end)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            source.refuse(f"is damaged: {field}.{end} is {count!r}, and should be a count")
    least, most = bounds_of(field)
    for end in ("value", "low", "high"):
        number = getattr(measured, end)
        # Only a share's interval ends where its scale does: that of a perplexity of 1.1 may reach below 1.
        bounded = end == "value" or ((least, most) == (0.0, 1.0) and not field.startswith("lm_eval/"))
        _check_number(source, field if end == "value" else f"{field}.{end}", number, least, most, bounded=bounded)


def _check_interval(source: _Source, field: str, measured: Rate) -> None:
    """Refuses a rate that lies outside its interval, or has a value without scored outcomes."""
    if (measured.value is None) != (measured.n == 0):
        source.contradicts(field, _null(measured.value), f"n is {measured.n}")
    for end, sign in (("low", 1), ("high", -1)):
        number = getattr(measured, end)
        if number is None:
            continue
        if measured.value is None or sign * (number - measured.value) > ROUNDING * max(1.0, abs(measured.value)):
            source.contradicts(f"{field}.{end}", number, f"the value is {_null(measured.value)}")


def _check_number(source: _Source, field: str, number: object, least: float, most: float, *, bounded: bool) -> None:
    if number is None:
        return
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        source.refuse(f"is damaged: {field} is {number!r}, and should be a finite number or null")
    if bounded and not least - ROUNDING <= number <= most + ROUNDING:
        scale = f"between {least:g} and {most:g}" if math.isfinite(most) else f"at least {least:g}"
        source.refuse(f"is damaged: {field} is {number!r}, and should be {scale}")


def _null(value: object) -> object:
    return "null" if value is None else value


def _check_answers(source: _Source, answers: Sequence[Answer]) -> None:
    """Refuses answers that no evaluation writes: an unknown measure, or text or a number of the wrong kind."""
    kinds: Mapping[str, Callable[[object], bool]] = {
        "prompt": lambda given: isinstance(given, str),
        "response": lambda given: isinstance(given, str),
        "measure": lambda given: isinstance(given, str) and given in COUNTED,
        "group": lambda given: given is None or isinstance(given, str),
        "sample": lambda given: isinstance(given, int) and not isinstance(given, bool) and given >= 0,
        "tokens": lambda given: given is None or (isinstance(given, int) and given is not True and given >= 0),
    }
    for place, answer in enumerate(answers):
        for part, is_right in kinds.items():
            if not is_right(given := getattr(answer, part)):
                source.refuse(f"is damaged: the {part} of answer {place} is {given!r}")


def _members(answers: Sequence[Answer]) -> Members:
    """Collects the outcomes that each rate is made of. Rates of whole sets replace groups of the same name."""
    groups: Members = {}
    whole: Members = {}
    for answer in answers:
        counted = COUNTED[answer.measure]
        if group := group_of(answer):
            _add(groups, group, counted, answer.outcome)
        if answer.measure != "borderline":
            _add(whole, NAMES_OF_GROUPS.get(answer.measure, answer.measure), counted, answer.outcome)
        if answer.refusal and answer.measure in ("asr", "utility"):
            name = REFUSED_QUESTIONS if answer.measure == "utility" else NAMES_OF_GROUPS["refusal"]
            _add(whole, name, "refused", answer.refusal)
        for name, outcome in coherence_of(answer).items():
            _add(whole, name, "coherent", outcome)
        _add(whole, "degenerate/all", "degenerate", answer.outcome)
    for samples in by_prompt(answers):
        if samples[0].measure == "asr" and len(samples) > 1:
            _add(whole, any_of(len(samples)), "unsafe", any_unsafe(samples))
    return {**whole, **groups, **whole}  # whole sets come first and win


def _add(members: Members, name: str, verdict: Verdict, outcome: Outcome) -> None:
    members.setdefault(name, (verdict, []))[1].append(outcome)


def _check_rate(
    source: _Source, field: str, measured: Rate, verdict: Verdict, outcomes: Sequence[Outcome], *, with_interval: bool
) -> None:
    """Refuses a rate that is not what its answers give. Intervals over several samples of a prompt are not checked."""
    given = rate(outcomes, verdict)
    scored = [outcome for outcome in outcomes if outcome.verdict is not None]
    count = sum(outcome.verdict == verdict for outcome in scored)
    verb = "refuse coherently" if field.startswith("coherent_refusal/") else VERBS[verdict]
    if _differ(measured.value, given.value):
        source.contradicts(field, _null(measured.value), f"{count} of its {len(scored)} answers {verb}")
    if measured.n != given.n:
        source.contradicts(f"{field}.n", measured.n, f"{given.n} of its answers have a verdict")
    if measured.unscored != given.unscored:
        source.contradicts(f"{field}.unscored", measured.unscored, f"{given.unscored} of its answers have no verdict")
    for end in ("low", "high") if with_interval else ():
        if _differ(getattr(measured, end), expected := getattr(given, end)):
            shown = f"{count} of {len(scored)} answers give {round(expected, 4) if expected is not None else 'none'}"
            source.contradicts(f"{field}.{end}", _null(getattr(measured, end)), shown)


def _check_perplexity(source: _Source, evaluation: Evaluation, rates: Mapping[str, Rate]) -> None:
    """Refuses a perplexity that is not a number of at least 1, or not what the losses give."""
    _check_number(source, "perplexity", evaluation.perplexity, *bounds_of("perplexity"), bounded=True)
    if evaluation.perplexity_rate and _differ(evaluation.perplexity, evaluation.perplexity_rate.value):
        truth = f"perplexity_rate.value is {_null(evaluation.perplexity_rate.value)}"
        source.contradicts("perplexity", _null(evaluation.perplexity), truth)
    for each in evaluation.losses:
        if any(isinstance(part, bool) or not isinstance(part, int | float) for part in (each.loss, each.tokens)):
            source.refuse(f"is damaged: a loss is {each.loss!r} on {each.tokens!r} tokens, and should be two numbers")
        if not math.isfinite(each.loss) or each.loss < -ROUNDING or each.tokens < 0:
            source.refuse(f"is damaged: a loss is {each.loss!r} on {each.tokens!r} tokens, and should not be negative")
    for field, losses in losses_by_name(evaluation.losses).items():
        given = perplexity_rate(losses)
        if given is not None and field in rates:
            # Earlier versions wrote lower ends below 1.
            _check_equal(source, field, from_one(rates[field]), given, "the losses on its exchanges give")


def _check_lengths(source: _Source, answers: Sequence[Answer], rates: Mapping[str, Rate]) -> None:
    """Refuses a mean length that is not what the lengths of the answers give. Older files have no lengths."""
    if all(answer.tokens is None for answer in answers):
        return
    for field, given in length_rates(answers).items():
        if field in rates:
            _check_equal(source, field, rates[field], given, "the lengths of its answers give")


def _check_equal(source: _Source, field: str, measured: Rate, given: Rate, words: str) -> None:
    """Refuses a rate that differs from what was computed from its parts."""
    for end in ("value", "low", "high", "n"):
        known, truth = getattr(measured, end), getattr(given, end)
        if _differ(known, truth):
            name = field if end == "value" else f"{field}.{end}"
            source.contradicts(name, _null(known), f"{words} {_null(truth)}")


def _differ(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is not second
    return not math.isclose(first, second, rel_tol=ROUNDING, abs_tol=ROUNDING)
