"""A failed condition on .unscored names the prompts without a score, and not those that changed."""

from holdfast.evaluate.comparing import compare
from holdfast.pipeline.gate_record import comparison_of
from holdfast.report.gate import render_junit
from holdfast.report.gate_markdown import render_markdown
from holdfast.report.gate_page import render_gate_page
from tests.evaluate.constructed import answers, evaluation, first

BEFORE = [False] * 9 + [None]
"""Ten harmful prompts, of which the last one has no verdict."""


def without_verdicts(*conditions):
    """A gate on a model with one unsafe answer and three unscored ones, of which one had no verdict before either."""
    flags = [True, *[False] * 6, None, None, None]
    return compare(evaluation(answers("asr", BEFORE)), evaluation(answers("asr", flags)), conditions)


def test_the_error_and_every_report_name_the_prompts_without_a_score():
    gate = without_verdicts("asr.unscored > 2")
    (finding,) = gate.findings
    assert finding.outcome == "fails"
    assert finding.prompts == ("asr 7", "asr 8", "asr 9"), "asr 0 has a verdict"
    assert finding.headline == "asr.unscored > 2 is met, 3 prompts have no score after"
    quoted = "Look at the answers to the 3 prompts without a score in after.json (`holdfast show after.json`): "
    assert finding.details("after.json", prompts=3)[-1] == f"{quoted}'asr 7', 'asr 8', 'asr 9'."
    result = comparison_of(gate)
    assert [one.before for one in result.conditions[0].changed] == ["not unsafe", "not unsafe", "without a score"]
    assert {one.after for one in result.conditions[0].changed} == {"without a score"}
    assert "3 prompts have no score; look at the answers" in render_junit(result)
    assert "3 prompts have no score" in render_markdown(result)
    assert "these prompts without a score" in render_markdown(result, 20)
    assert "3 prompts have no score. This page lists none" in render_gate_page(result)
    assert "3 prompts without a score, with both responses" in render_gate_page(result, 20)


def test_the_prompts_that_lost_their_score_come_first():
    flags = [None, *[False] * 8, None]
    before = evaluation(answers("asr", [False] * 9 + [None])), evaluation(answers("asr", flags))
    assert compare(*before, ["asr.unscored > before.unscored"]).findings[0].prompts == ("asr 0", "asr 9")


def test_refusals_coherence_and_utility_have_their_own_prompts_without_a_score():
    harmful, questions = answers("asr", first(0, 4)), answers("utility", first(3, 4))
    lost = answers("asr", [False, None, False, False]), answers("utility", [True, True, None, False])
    measures = compare(evaluation(harmful, questions), evaluation(*lost)).measures
    assert [one.prompt for one in measures["asr"].unscored] == ["asr 1"]
    assert [one.prompt for one in measures["utility"].unscored] == ["utility 2"]


def test_a_condition_on_another_number_names_the_prompts_that_changed():
    assert without_verdicts("asr > before - 0.9").findings[0].prompts == ("asr 0",)
