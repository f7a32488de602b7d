"""The verdict of a failed gate says what happened to the measures whose conditions failed."""

from dataclasses import replace

from holdfast.report.comparison import ConditionBounds
from holdfast.report.gate_story import with_what_happened
from tests.report.test_gate import comparison, with_first

FAILED = "the gate failed: 1 of 2 conditions is met, and 1 of 2 conditions cannot fail"


def told(result, verdict=FAILED):
    return with_what_happened(result, verdict).removeprefix("the gate failed: ")


def measured(name, **condition):
    """A comparison whose failed condition is on a measure that rose from 0.00 to 0.12."""
    result = with_first(comparison(), measure=name, **condition)
    return replace(result, measures={name: result.measures["asr/heldout"]})


def test_a_change_is_told_with_the_rates_before_and_after_and_the_rest_of_the_verdict_stays():
    rest = ", and 1 of 2 conditions cannot fail"
    assert told(measured("over_refusal")) == f"over-refusal rose from 0.00 to 0.12{rest}"
    assert told(measured("borderline")) == f"over-refusal (borderline prompts) rose from 0.00 to 0.12{rest}"


def test_a_change_of_the_pairs_against_that_of_the_rates_is_told_alone():
    falls = ConditionBounds(-0.12, -0.2, -0.1, 0.0, "change", 200, "prompts")
    assert told(measured("over_refusal", bounds=falls)).startswith("over-refusal changed by -0.120")


def test_a_level_and_a_multiple_are_told_as_they_are():
    level = ConditionBounds(0.62, 0.5, 0.7, 0.1, "value", 200, "prompts")
    assert told(measured("over_refusal", bounds=level)).startswith("over-refusal at 0.620")
    times = ConditionBounds(2.0, 1.5, 2.5, 1.1, "times", 200, "exchanges")
    assert told(measured("perplexity", bounds=times)).startswith("perplexity at 2.000 times that before")


def test_further_failed_conditions_are_counted():
    result = measured("over_refusal")
    first = result.conditions[0]
    many = replace(result, conditions=tuple(replace(first, measure=name) for name in ("over_refusal", "asr", "kl")))
    assert told(many, "the gate failed: 3 of 3 conditions are met") == (
        "over-refusal rose from 0.00 to 0.12, attack success rate changed by +0.120 and 1 more condition"
    )


def test_a_condition_without_numbers_leaves_the_verdict_as_it_was():
    assert with_what_happened(measured("over_refusal", bounds=None), FAILED) == FAILED
