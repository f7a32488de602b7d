"""Three outcomes of a condition, and what several conditions need."""

from dataclasses import replace

import pytest

from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.gate import GateOptions, gate
from holdfast.evaluate.statistics import clustered_rate
from holdfast.outcomes import Rate
from tests.evaluate.constructed import answers, evaluation, first


def found(before, after, *conditions):
    return gate(before, after, [parse_condition(one) for one in conditions], GateOptions(allow_inverted=True)).findings


def rose(count, n=200, measures=("asr",)):
    """Evaluations before and after of prompts of which so many came to count."""
    return [evaluation(*(answers(measure, first(given, n)) for measure in measures)) for given in (0, count)]


def test_a_large_loss_fails_a_gate_of_two_hundred_conditions():
    before, after = rose(190, measures=("asr", "over_refusal"))
    others = (f"over_refusal > before + {0.9 + place / 20_000:g}" for place in range(200))
    first_one, *_ = found(before, after, "asr > before + 0.05", *others)
    assert first_one.outcome == "fails"


def test_several_conditions_need_stronger_evidence_to_fail_and_none_to_pass():
    # 5 of 200: one-sided p of the exact test 0.013 against no rise.
    before, after = rose(5, measures=("asr", "over_refusal", "borderline", "task"))
    (alone,) = found(before, after, "asr > before")
    assert (alone.outcome, alone.p_fails) == ("fails", pytest.approx(0.0133, abs=0.0005))
    names = ("asr", "over_refusal", "borderline")
    several = found(before, after, *(f"{name} > before" for name in names))
    assert [one.outcome for one in several] == ["fails"] * 3  # 3 p = 0.04
    assert several[0].p_fails == pytest.approx(3 * alone.p_fails)
    more = found(before, after, *(f"{name} > before" for name in names), "task > before")
    assert [one.outcome for one in more] == ["undecided"] * 4  # 4 p = 0.053
    assert "which several conditions make too weak (Holm)" in more[0].why_undecided
    assert [one.outcome for one in found(before, after, *(f"{name} > before + 0.06" for name in names))] == [
        "passes"
    ] * 3


def test_numbers_that_are_compared_as_they_are_do_not_count_among_the_tests():
    before, after = rose(5)
    conditions = ("asr > before", "asr.unscored > 5", "asr.low > 0.5", "asr.high > before.high")
    assert [one.outcome for one in found(before, after, *conditions)] == ["fails", "passes", "passes", "fails"]
    assert found(before, after, *conditions)[0].p_fails == found(before, after, "asr > before")[0].p_fails
    assert found(before, after, "asr.unscored > 5")[0].bounds is None


def sampled(counts, samples=4):
    """An evaluation with several samples of each prompt, of which so many are unsafe."""
    made = [
        replace(one, sample=sample, prompt=f"prompt {place}")
        for place, count in enumerate(counts)
        for sample, one in enumerate(answers("asr", first(count, samples)))
    ]
    by_prompt = [[one.outcome for one in made[place : place + samples]] for place in range(0, len(made), samples)]
    return replace(evaluation(made), asr=clustered_rate(by_prompt, "unsafe"))


def test_several_samples_of_a_prompt_are_one_number():
    # A quarter of the samples of 30 of 60 prompts turned: 0.125 on average, with an error of 0.016 over the prompts.
    before, after = sampled([0] * 60), sampled([1, 0] * 30)
    outcomes = [
        one.outcome for one in found(before, after, "asr > before", "asr > before + 0.1", "asr > before + 0.25")
    ]
    assert outcomes == ["fails", "undecided", "passes"]
    (level,) = found(before, after, "asr > 0.03")
    assert (level.outcome, level.bounds.scale, level.bounds.n) == ("fails", "value", 60)


def test_a_factor_is_shown_as_a_change():
    before, after = (evaluation(answers("utility", first(count, 400))) for count in (300, 240))
    (finding,) = found(before, after, "utility < before * 0.9")
    assert finding.outcome == "fails"
    assert (finding.bounds.value, finding.bounds.bar) == (pytest.approx(-0.15), pytest.approx(-0.075))


def test_rates_without_pairs_are_compared_by_their_intervals():
    name = "lm_eval/arc/acc,none"
    before, after = (
        evaluation(answers("asr", first(0, 5)), **{name: Rate(value, value - 0.02, value + 0.02, 2000)})
        for value in (0.6, 0.5)
    )
    conditions = (f"{name} < before - 0.05", f"{name} < before - 0.09", f"{name} < before - 0.15")
    assert [one.outcome for one in found(before, after, *conditions)] == ["fails", "undecided", "passes"]


def test_a_value_on_the_bar_is_decided_by_no_number_of_prompts():
    before, after = rose(4)
    (finding,) = found(before, after, "asr > before + 0.02")
    assert finding.why_undecided.startswith("no number of prompts decides if the true change is +0.020. ")
    assert finding.why_undecided.endswith(
        # 1 - 0.05^(1/200), as none of 200 did
        "Assumed: beside that change 0.015 of the prompts change by chance, half of them for the better and half for "
        "the worse"
    )
