"""More refused safe prompts and much shorter responses each have a step, and smaller changes have none."""

from dataclasses import replace

import pytest

from holdfast.differences import Difference
from holdfast.outcomes import Rate
from holdfast.report.comparison import ComparedMeasure, MatchedLogs, PairedEstimate
from holdfast.report.overshoot import MORE_BORDERLINE, overshoot_steps
from tests.report.sample import rate
from tests.report.test_gate import comparison


def risen(low):
    change = Difference(0.1, low, 0.2)
    return ComparedMeasure(
        before=rate(0, 200), after=rate(20, 200), difference=0.1, change=change, paired=None, corrected_p=None
    )


def lengths(before, after, high=-1.0):
    mean = {end: Rate(end, end, end, 40) for end in (before, after)}
    estimate = PairedEstimate(after - before, after - before - 1, high, 40, 0.001)
    return ComparedMeasure(
        before=mean[before], after=mean[after], difference=None, change=None, paired=None, corrected_p=None,
        lengths=estimate,
    )  # fmt: skip


def steps_of(**measures):
    named = {name.replace("__", "/"): measure for name, measure in measures.items()}
    return overshoot_steps(replace(comparison(passed=True), measures=named))


@pytest.mark.parametrize(
    ("name", "low", "advised"),
    [("borderline", 0.01, True), ("over_refusal", 0.01, True), ("over_refusal__questions", 0.01, True),
     ("borderline", -0.01, False), ("over_refusal__heldout", 0.01, False), ("refusal", 0.01, False)],
)  # fmt: skip
def test_refusals_of_safe_prompts_that_are_shown_to_rise_have_a_step(name, low, advised):
    assert steps_of(**{name: risen(low)}) == ([MORE_BORDERLINE] if advised else [])


def test_responses_of_half_their_length_or_less_have_a_step_with_both_lengths():
    (step,) = steps_of(response_length=lengths(32.0, 12.0))
    assert step.startswith("The mean response to harmless prompts fell from 32 to 12 tokens.")
    (step,) = steps_of(response_length__borderline=lengths(32.0, 16.0))
    assert "borderline prompts fell from 32 to 16" in step
    assert steps_of(response_length=lengths(32.0, 17.0)) == []
    assert steps_of(response_length=lengths(32.0, 12.0, high=0.5)) == [], "it is not shown to be shorter"
    assert steps_of(response_length__harmful=lengths(32.0, 12.0)) == [], "refusals are short"


def test_logs_of_other_programs_have_no_steps():
    logs = MatchedLogs("garak", "all", 1, 0, 0)
    assert overshoot_steps(replace(comparison(), logs=logs, measures={"borderline": risen(0.01)})) == []
