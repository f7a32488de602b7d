"""What a gate means, what to do next, and what no condition looks at."""

from dataclasses import replace

import pytest

from holdfast.report.comparison import ComparedMeasure, UngatedLoss
from holdfast.report.gate_settings import COMMAND, PYTHON
from holdfast.report.gate_steps import (
    IDLE,
    LOSSES,
    NO_GATE,
    RECORD,
    RESTORE,
    TOLERATED,
    UNWATCHED,
    meaning,
    next_steps,
    not_gated,
    not_gated_measures,
)
from holdfast.report.overshoot import MORE_BORDERLINE
from tests.report.sample import rate
from tests.report.test_gate import comparison, undecided, with_first

SMALL = ComparedMeasure(
    before=rate(6, 200), after=rate(124, 200), difference=0.59, change=None, paired=None, corrected_p=None
)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (replace(comparison(), exit_code=1), "show that a condition is met"),
        (replace(comparison(), exit_code=2), "no valid gate"),
        (replace(undecided("fail"), exit_code=3), "too few"),
        (comparison(passed=True), "show that no condition is met"),
        (undecided("warn"), "lets conditions pass that the prompts cannot decide"),
        (replace(comparison(), conditions=()), "No condition was given"),
    ],
)
def test_each_exit_code_has_a_meaning(result, words):
    assert words in meaning(result)


def test_a_failed_gate_says_to_read_the_answers_and_how_to_get_refusals_back():
    first, second = next_steps(comparison())
    assert first.startswith(
        "Do not release this checkpoint as it is. Read the answers first: `holdfast show after.json"
    )
    assert second == RESTORE
    in_memory = replace(comparison(), after=None)
    assert next_steps(in_memory)[0] == "Do not release this checkpoint as it is."
    assert RESTORE not in next_steps(with_first(comparison(), measure="utility"))


def test_a_failed_condition_on_over_refusal_says_how_to_refuse_fewer_safe_prompts():
    steps = next_steps(with_first(comparison(), measure="over_refusal"))
    assert MORE_BORDERLINE in steps
    assert RESTORE not in steps
    assert MORE_BORDERLINE not in next_steps(comparison())


def test_other_results_have_other_steps():
    assert next_steps(comparison(passed=True)) == [RECORD]
    assert next_steps(replace(comparison(), conditions=())) == [NO_GATE.format(conditions=COMMAND.conditions)]
    (python,) = next_steps(replace(comparison(), conditions=()), PYTHON)
    assert python.endswith('`fail_if=["refusal < before - 0.05", "over_refusal > before + 0.05"]`.')
    assert '`undecided="warn"`' in next_steps(undecided("fail"), PYTHON)[0]
    assert IDLE in next_steps(with_first(comparison(passed=True), cannot_fail="before is 1.00"))
    assert UNWATCHED in next_steps(replace(comparison(passed=True), unwatched=("refusals fell.",)))
    assert next_steps(replace(comparison(passed=True), tolerated=("refusals fell.",))) == [TOLERATED]
    assert "--undecided warn" not in next_steps(undecided("warn"))[0], "it is accepted already"


def test_every_measure_without_a_condition_is_listed_with_its_numbers_apart_from_groups_of_prompts():
    one = replace(comparison().measures["asr/heldout"], before=rate(6, 200), after=rate(124, 200), corrected_p=0.0001)
    names = ("asr", "asr/heldout", "over_refusal", "over_refusal/questions", "response_length", "cut_off/all")
    parts = ("over_refusal/seen", "coherence/harmful", "coherence", "refusal", "not_refused", "response_length/harmful")
    result = replace(comparison(), measures=dict.fromkeys((*names, *parts), one))
    numbers = "0.030 before, 0.620 after, paired p <0.001 corrected."
    listed = ("over_refusal", "over_refusal/questions", "response_length", "cut_off/all", "coherence", "refusal")
    words = ("Over-refusal", "Over-refusal, questions", "Mean response length in tokens, harmless prompts")
    words += ("Share of answers cut off", "Coherent answers", "Refusals of harmful prompts")
    named = [f"{one} (`{name}`): {numbers}" for one, name in zip(words, listed, strict=True)]
    assert not_gated_measures(result) == [(one, False) for one in named]
    assert not_gated(result).startswith("No condition looks at these 6 measures. No change of them can")
    assert "Left out are groups of prompts" in not_gated(result)
    assert "look at every measure" in not_gated(replace(result, measures={"asr": one}))


def test_a_loss_that_no_condition_gates_comes_first_and_the_page_is_no_record_without_a_decision_on_it():
    result = comparison(passed=True)
    measures = {**result.measures, "borderline": result.measures["asr/heldout"], "over_refusal/heldout": SMALL}
    lost = replace(result, measures=measures, ungated_losses=(UngatedLoss("over_refusal/heldout", 0.03, 0.62, None),))
    worse = replace(lost, measures=measures | {"coherent_refusal": replace(SMALL, got_worse=True)})
    marked = [one.words.partition(":")[0] for one in not_gated_measures(worse) if one.got_worse]
    assert marked == [
        "Over-refusal, heldout (`over_refusal/heldout`)",
        "Coherent refusals of harmful prompts (`coherent_refusal`)",
    ], "a measure beside a gated one, too"
    assert [one.got_worse for one in not_gated_measures(worse)][:3] == [True, True, False]
    assert next_steps(lost) == [LOSSES, MORE_BORDERLINE]
    assert not_gated_measures(lost)[0] == (
        "Over-refusal, heldout (`over_refusal/heldout`): 0.030 before, 0.620 after.",
        True,
    )


def test_a_measure_that_was_not_measured_is_not_said_to_be_left_out():
    result = comparison()
    assert "not_refused" not in not_gated(result)
    measures = {**result.measures, "not_refused": SMALL}
    assert "`not_refused` beside `refusal`" in not_gated(replace(result, measures=measures))
