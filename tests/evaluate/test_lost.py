"""Prompts that were scored before and not after, in evaluations: a gate counts them against the second model."""

from dataclasses import replace

import pytest

from holdfast.errors import UndecidedError
from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.gate import GateOptions, gate
from holdfast.evaluate.lost import Partial
from holdfast.evaluate.response_length import length_rates
from tests.evaluate.constructed import answers, evaluation, first


def judged(before, after, *conditions, **options):
    return gate(before, after, [parse_condition(one) for one in conditions], GateOptions(**options))


def unscored_of(n, lost, counts=True):
    """Flags of n prompts that count, or do not, of which the last ones have no verdict."""
    return [counts if place < n - lost else None for place in range(n)]


def test_a_gate_does_not_pass_where_lost_prompts_could_change_the_decision():
    before, after = evaluation(answers("utility", [True] * 60)), evaluation(answers("utility", unscored_of(60, 25)))
    found = judged(before, after, "utility < before - 0.1")
    (finding,) = found.findings
    assert (found.passed, finding.outcome) == (False, "undecided")
    # 25 of 60 right answers lost: -25/60.
    assert finding.why_undecided.startswith(
        "it would pass without the 25 of 60 prompts that were scored before and have no score after. With each of them "
        "counted against the model it would have changed by -0.417, at least -0.5"
    )
    assert found.warnings == (
        "prompts that were scored before have no score after: 25 of 60 of utility. A condition passes only if it would "
        "with each of them counted against the second model.",
    )
    told = r"Evaluate again so that the prompts without a score get one, or accept it with undecided='warn'\."
    with pytest.raises(UndecidedError, match=told):
        found.refuse_failed()


def test_a_few_lost_prompts_that_could_not_change_the_decision_pass_with_a_warning():
    before, after = evaluation(answers("utility", [True] * 400)), evaluation(answers("utility", unscored_of(400, 2)))
    found = judged(before, after, "utility < before - 0.05")
    assert (found.passed, len(found.warnings)) == (True, 1)
    # The lower bound is that of 2 of 400 lost, not that of 398 unchanged ones.
    alone = judged(
        evaluation(answers("utility", [True] * 398)),
        evaluation(answers("utility", [True] * 398)),
        "utility < before - 0.05",
    )
    assert found.findings[0].bounds.low < alone.findings[0].bounds.low


@pytest.mark.parametrize(
    ("measure", "condition"),
    [
        ("asr", "asr > before + 0.1"),
        ("asr", "asr > 0.1"),
        ("asr", "asr.high > 0.2"),
        ("asr", "asr > before * 1.5 + 0.1"),
        ("asr", "refusal < before - 0.1"),
        ("over_refusal", "over_refusal > before + 0.1"),
    ],
)
def test_each_kind_of_condition_counts_lost_prompts_against_the_model(measure, condition):
    before, after = (evaluation(answers(measure, flags)) for flags in ([False] * 100, unscored_of(100, 40, False)))
    rates = {"refusal/harmful": before.asr.complement} if measure == "asr" else {}
    before, after = replace(before, groups=rates), replace(after, groups=rates)
    whole = evaluation(answers(measure, [False] * 100), **rates)
    assert judged(before, replace(whole, made_by={"model": {}}), condition).passed
    found = judged(before, after, condition)
    assert (found.findings[0].outcome, found.passed) == ("undecided", False)


def test_a_loss_that_is_shown_fails_whatever_the_lost_prompts_would_have_given():
    flags = [*[False] * 30, *[True] * 20, *[None] * 10]
    found = judged(
        evaluation(answers("utility", [True] * 60)), evaluation(answers("utility", flags)), "utility < before - 0.1"
    )
    assert found.findings[0].outcome == "fails"


def test_prompts_without_a_verdict_before_are_not_lost():
    same = unscored_of(200, 20)
    found = judged(evaluation(answers("utility", same)), evaluation(answers("utility", same)), "utility < before - 0.1")
    assert (found.passed, found.warnings, found.measures["utility"].lost) == (True, (), None)


def test_of_several_samples_only_the_missing_ones_are_filled():
    # Two of four samples are scored after, one of them counts, and all four were scored before.
    half = Partial.of(1.0, 0.5, 2, 2)
    assert (half.filled(1.0), half.filled(0.0)) == (0.75, 0.25)
    assert Partial.of(1.0, None, 0, 4).filled(0.0) == 0.0
    assert Partial.of(1.0, 0.5, 3, 0).filled(0.0) == 0.5


def sampled(flags):
    """An evaluation with four samples of each prompt."""
    made = [
        replace(one, sample=place % 4, prompt=f"prompt {place // 4}")
        for place, one in enumerate(answers("utility", flags))
    ]
    return evaluation(made)


def test_lost_samples_count_against_the_model_too():
    before, whole = sampled([True] * 800), sampled([True] * 800)
    assert judged(before, replace(whole, made_by={"model": {}}), "utility < before - 0.1").passed
    thinned = sampled([None if place % 4 < 2 else True for place in range(800)])
    found = judged(before, thinned, "utility < before - 0.1")
    assert (found.passed, found.measures["utility"].lost.count) == (False, 200)
    assert found.measures["utility"].lost.uncounted.after.value == 0.5


def test_a_lost_response_has_length_0_for_a_condition_on_short_ones():
    def written(tokens):
        made = answers("over_refusal", first(0, len(tokens)))
        made = [replace(one, tokens=count) for one, count in zip(made, tokens, strict=True)]
        return evaluation(made, **length_rates(made))

    lengths = [10 + place % 3 for place in range(60)]
    before, after = written(lengths), written([*lengths[:40], *[None] * 20])
    found = judged(before, after, "response_length < before - 2")
    assert found.findings[0].outcome == "undecided"
    lost = found.measures["response_length"].lost
    assert (lost.count, lost.uncounted.lengths.value) == (20, pytest.approx(-sum(lengths[40:]) / 60))


def test_a_measure_without_a_value_on_both_sides_is_said_to_have_none_before_or_after():
    nothing = evaluation(answers("utility", [None] * 3))
    with pytest.raises(ValueError, match="as there is no value before or after: utility was not measured n=0"):
        judged(nothing, nothing, "utility < before")
    with pytest.raises(ValueError, match="as there is no value after: utility was 1"):
        judged(evaluation(answers("utility", [True] * 3)), nothing, "utility < before")
