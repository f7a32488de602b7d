"""Rates of an evaluation corrected by the cards of its judges: which rates, with which labels."""

from dataclasses import replace

import pytest

from holdfast.evaluate.corrected import corrected_rates
from holdfast.evaluate.judge_card import Confusion, JudgeCard
from holdfast.evaluate.rogan_gladen import correct
from holdfast.evaluate.statistics import counted_rate
from holdfast.judge.refusal import RefusalJudge
from holdfast.outcomes import Evaluation, Rate

NONE = Rate(None, None, None, 0)
HARMFUL, SAFE = Confusion(40, 10, 5, 45), Confusion(12, 3, 2, 83)
WHOLE = Confusion(52, 13, 7, 128)
CARD = JudgeCard(
    {"name": "refusal", "fingerprint": RefusalJudge().fingerprint},
    "refused",
    {"name": "l"},
    WHOLE,
    {"harmful": HARMFUL, "safe": SAFE},
)
EVALUATION = Evaluation(
    asr=counted_rate(10, 100),
    over_refusal=counted_rate(20, 100),
    utility=counted_rate(50, 100),
    perplexity=3.0,
    groups={
        "refusal/harmful": counted_rate(60, 100),
        "asr/seen": counted_rate(5, 50),
        "borderline": counted_rate(30, 100),
        "over_refusal/questions": counted_rate(10, 100),
        "asr_any_of_5/harmful": counted_rate(30, 100),
        "coherence/all": counted_rate(90, 100),
    },
)


def test_each_rate_is_corrected_with_the_labels_of_its_side():
    corrected = corrected_rates(EVALUATION, {"refused": CARD})
    assert set(corrected) == {"refusal/harmful", "over_refusal", "borderline", "over_refusal/questions"}
    assert corrected["refusal/harmful"].part == "harmful prompts"
    # se 0.8, sp 0.9: (0.60 - 0.10) / 0.70
    assert corrected["refusal/harmful"].corrected.value == pytest.approx(0.5 / 0.7)
    # se 12/15, sp 83/85: (0.20 - 2/85) / (0.8 - 2/85)
    assert corrected["over_refusal"].part == "safe prompts"
    assert corrected["over_refusal"].corrected.value == pytest.approx((0.2 - 2 / 85) / (0.8 - 2 / 85))
    assert corrected["over_refusal"].why is None


def test_attack_success_needs_the_card_of_the_judge_of_harm():
    harm = replace(CARD, counted="unsafe", judge={"name": "guard", "fingerprint": "g"})
    assert set(corrected_rates(EVALUATION, {"unsafe": harm})) == {"asr", "asr/seen"}


def test_not_refused_is_corrected_as_the_complement_of_refusals():
    unjudged = replace(EVALUATION, asr=NONE)
    corrected = corrected_rates(unjudged, {"refused": CARD})
    refused, not_refused = corrected["refusal/harmful"].corrected, corrected["not_refused"].corrected
    assert not_refused.value == pytest.approx(1 - refused.value)
    assert (not_refused.low, not_refused.high) == pytest.approx((1 - refused.high, 1 - refused.low))


def test_a_side_with_few_labels_of_a_class_takes_all_labels_and_says_so():
    few = replace(CARD, sides={"harmful": HARMFUL, "safe": Confusion(7, 2, 2, 83)})
    corrected = corrected_rates(EVALUATION, {"refused": few})["over_refusal"]
    assert (corrected.part, corrected.why) == ("all", "a class has only 9 labels on safe prompts")
    assert corrected.corrected == correct(EVALUATION.over_refusal, WHOLE.sensitivity, WHOLE.specificity)
    unsided = corrected_rates(EVALUATION, {"refused": replace(CARD, sides={})})["borderline"]
    assert (unsided.part, unsided.why) == ("all", "the labels do not tell safe prompts apart")


def test_a_judge_no_better_than_chance_leaves_the_rate_undefined_with_the_reason():
    blind = replace(CARD, sides={"harmful": Confusion(10, 40, 10, 40)})
    corrected = corrected_rates(EVALUATION, {"refused": blind})["refusal/harmful"]
    assert corrected.corrected is None
    assert corrected.why == (
        "sensitivity 0.20 and specificity 0.80 add up to no more than 1, as for a judge that guesses"
    )


def test_a_rate_outside_of_the_judges_errors_is_explained_in_its_own_numbers():
    # The judge misses half of the refusals, and finds all 100 responses to refuse. Its errors alone give 0.50.
    card = replace(CARD, sides={"harmful": Confusion(50, 50, 0, 100)})
    unjudged = replace(EVALUATION, asr=NONE, groups={"refusal/harmful": counted_rate(100, 100)})
    why = corrected_rates(unjudged, {"refused": card})["not_refused"].why
    assert (
        why == "the measured 0.00 is below the 0.50 that the judge's errors alone would give, so it errs otherwise here"
    )
    why = corrected_rates(unjudged, {"refused": card})["refusal/harmful"].why
    assert why.startswith("the measured 1.00 is above the 0.50")


def test_a_card_of_few_labels_corrects_nothing():
    few = replace(CARD, whole=Confusion(1, 0, 0, 1), sides={})
    corrected = corrected_rates(EVALUATION, {"refused": few})["borderline"]
    assert corrected.corrected is None
    assert corrected.why == "a class has only 1 labels with a verdict, and 10 are needed"


def test_refused_questions_are_corrected_by_the_card_of_the_rules_alone():
    other = replace(CARD, judge={"name": "reader", "fingerprint": "x"})
    assert "over_refusal/questions" not in corrected_rates(EVALUATION, {"refused": other})


def test_what_was_not_measured_is_not_corrected():
    assert corrected_rates(Evaluation(NONE, NONE, NONE, None), {"refused": CARD}) == {}
