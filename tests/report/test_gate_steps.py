"""What a gate means, what to do next, and what no condition looks at."""

from dataclasses import replace

import pytest

from holdfast.report.gate_steps import IDLE, NO_GATE, RECORD, RESTORE, UNWATCHED, meaning, next_steps, not_gated
from tests.report.test_gate import comparison, undecided, with_first


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


def test_other_results_have_other_steps():
    assert next_steps(comparison(passed=True)) == [RECORD]
    assert next_steps(replace(comparison(), conditions=())) == [NO_GATE]
    assert IDLE in next_steps(with_first(comparison(passed=True), cannot_fail="before is 1.00"))
    assert UNWATCHED in next_steps(replace(comparison(passed=True), unwatched=("refusals fell.",)))
    assert "--undecided warn" not in next_steps(undecided("warn"))[0], "it is accepted already"


def test_measures_without_a_condition_are_named_apart_from_details_and_categories():
    one = comparison().measures["asr/heldout"]
    names = ("asr", "asr/heldout", "over_refusal", "perplexity", "cut_off/all")
    result = replace(comparison(), measures=dict.fromkeys(names, one))
    assert not_gated(result) == (
        "No condition looks at `over_refusal` and `perplexity`. No change of them can fail this gate."
    )
    assert "look at every measure" in not_gated(replace(result, measures={"asr": one}))
