"""Whether noise on a mask hurts refusals more than right answers: worked intervals, verdicts and their words."""

import math
from dataclasses import replace
from statistics import fmean, variance

import pytest
from scipy.stats import t

from holdfast.evaluate.specific import specificity
from holdfast.evaluate.verified import Verified
from holdfast.outcomes import Rate, TokenLosses
from tests.evaluate.constructed import answers, evaluation

TOKENS = 10
UNTOUCHED = ((1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0))


def noisy(refusals, right_answers):
    """An evaluation with these losses per token of refusals and of right answers."""
    losses = [(loss, "refusals") for loss in refusals] + [(loss, None) for loss in right_answers]
    made = tuple(TokenLosses(str(at), loss * TOKENS, TOKENS, group) for at, (loss, group) in enumerate(losses))
    return replace(evaluation(answers("asr", [False])), losses=made)


def raised(*draws):
    """Draws that raise every loss of refusals and of right answers by these amounts."""
    return [noisy(*([1.0 + rise] * 4 for rise in rises)) for rises in draws]


def verdict(*draws, control=()):
    found = specificity(raised(*draws), raised(*control), noisy(*UNTOUCHED))
    assert found
    return found.verdict


def test_draws_alone_have_the_worked_interval_of_students_t():
    # All exchanges agree, so the error is that of the three draws' differences: 2 - 1, 2.5 - 1 and 3 - 0.9.
    found = specificity(raised((2, 1), (2.5, 1), (3, 0.9)), raised((0, 0), (0, 0), (0, 0)), noisy(*UNTOUCHED))
    differences = [1.0, 1.5, 2.1]
    half = t.ppf(0.975, 2) * math.sqrt(variance(differences) / 3)
    assert found
    assert math.log(found.value) == pytest.approx(fmean(differences))
    assert [math.log(end) for end in (found.low, found.high)] == pytest.approx(
        [fmean(differences) - half, fmean(differences) + half]
    )
    assert (found.refusals, found.answers) == (pytest.approx(math.exp(2.5)), pytest.approx(math.exp(2.9 / 3)))


def test_exchanges_alone_have_the_worked_interval_of_students_t():
    # Both draws are equal. Changes of refusals 1, 2, 3, 4 have the variance 5/3 of single ones, right answers none.
    draw, none = noisy([2, 3, 4, 5], [2, 2, 2, 2]), noisy(*UNTOUCHED)
    found = specificity([draw, draw], [none, none], none)
    half = t.ppf(0.975, 3) * math.sqrt(5 / 3 / 4)
    assert found
    assert [math.log(end) for end in (found.low, found.high)] == pytest.approx([1.5 - half, 1.5 + half])


def test_right_answers_that_suffer_more_than_refusals_show_no_specific_effect():
    found = specificity(raised((3, 7), (4, 7.5), (3.5, 7)), raised((0, 0), (0, 0), (0, 0)), noisy(*UNTOUCHED))
    assert found
    assert found.verdict == "not specific"
    assert found.sentence == (
        "Right answers suffered more (perplexity 1296 times the control's) than refusals (33.1 times). This shows no "
        "effect specific to refusals. Refusals against right answers: 0.026 [0.012, 0.052]. Try a smaller ratio of "
        "noise, or a safety-only mask."
    )


def test_refusals_that_suffer_more_show_a_specific_effect_only_beside_right_answers_that_stay():
    assert verdict((3, 0.1), (3, 0.1)) == "specific"
    assert verdict((5, 2.2), (5, 2.2)) == "specific"
    assert verdict((5, 2.4), (5, 2.4)) == "not decided"  # exp(2.4) is more than tenfold


def test_refusals_that_do_not_suffer_are_not_hit_specifically_where_right_answers_gain():
    assert verdict((0, -1), (0, -1)) == "not decided"


def test_one_draw_and_draws_that_differ_widely_decide_nothing():
    assert verdict((3, 0)) == "not decided"
    assert verdict((0, 3)) == "not decided"
    assert verdict((3, 0), (0, 3)) == "not decided"


def test_the_words_of_no_decision_say_what_would_decide():
    none = noisy(*UNTOUCHED)
    one, wide, broken = (
        specificity(raised(*draws), (), none) for draws in ([(3, 0)], [(3, 0), (0, 3)], [(5, 3), (5, 3)])
    )
    assert one
    assert wide
    assert broken
    assert "20.1 times the untouched model's for refusals, and 1.000 times for right answers" in one.sentence
    assert one.sentence.endswith("A verdict takes 2 draws or more.")
    assert wide.sentence.endswith("More draws and more prompts narrow the interval.")
    assert "Noise that breaks right answers tells nothing about refusals." in broken.sentence


def test_without_either_perplexity_nothing_is_compared():
    alone = noisy([1, 2], [])
    assert specificity([alone, alone], [alone, alone], alone) is None


def test_the_table_has_the_verdict_in_the_row_of_the_refusals_alone():
    measured = {"perplexity_rate": Rate(2.7, 2.0, 3.0, 4), "groups": {"perplexity/refusals": Rate(2.7, 2.0, 3.0, 4)}}
    none = replace(noisy(*UNTOUCHED), perplexity=2.7, **measured)
    verified = Verified(none, (0.38,), tuple(raised((0, 3), (0, 3))), (none, none))
    (point,) = verified.points
    assert point.specificity
    assert point.specificity.sentence in str(verified)
    rows = {row["measure"]: (row["specific"], row["against_answers"]) for row in verified.table()}
    assert rows.pop("perplexity/refusals") == ("not specific", pytest.approx(math.exp(-3)))
    assert set(rows) == {"asr", "perplexity"}
    assert set(rows.values()) == {(None, None)}
