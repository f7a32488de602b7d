import pytest

from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.gate_power import Truth, chance_above, chances
from holdfast.plan.gate import margin_of, plan_gate


def test_a_plan_has_the_chances_of_the_gate_itself():
    plan = plan_gate(parse_condition("asr > before + 0.02"), prompts=(100, 150), change=0.06, discordance=0.0)
    # Without a change 0.98^149 + 0.001 is above 5%, and 0.98^150 + 0.001 below.
    assert [row.passes_equal for row in plan.rows] == [0.0, pytest.approx(1.0)]
    assert plan.to_pass == 150
    for row in plan.rows:
        assert row.fails_worse == chances(row.prompts, 0.02, Truth.of(0.06, 0.0)).fails
    assert chance_above(plan.to_fail, 0.02, Truth.of(0.06, 0.0)) >= 0.8


def test_a_fall_that_is_worse_is_planned_as_a_rise_is():
    rise, fall = (
        plan_gate(parse_condition(text), prompts=(60,)) for text in ("asr > before + 0.05", "refusal < before - 0.05")
    )
    assert (fall.margin, fall.change, fall.rows, fall.to_pass) == (rise.margin, rise.change, rise.rows, rise.to_pass)


def test_several_conditions_need_more_prompts_to_fail_and_no_more_to_pass():
    one, three = (plan_gate(parse_condition("asr > before + 0.02"), prompts=(), num_conditions=n) for n in (1, 3))
    assert three.to_pass == one.to_pass
    assert three.to_fail > 1.2 * one.to_fail


def test_without_a_margin_no_number_of_prompts_passes_an_equally_good_model():
    plan = plan_gate(parse_condition("asr > before"), prompts=(100,), change=0.02)
    assert plan.to_pass is None
    # McNemar's formula: ((1.645 sqrt(0.07) + 0.842 sqrt(0.07 - 0.0004)) / 0.02)^2 = 1,080
    assert plan.to_fail == pytest.approx(1080, rel=0.02)
    assert plan.to_json()["rows"][0]["prompts"] == 100


@pytest.mark.parametrize(
    ("condition", "options", "says"),
    [
        ("asr > before * 1.1", {}, "can't be planned; give one such as 'asr > before"),
        ("asr > 0.05", {}, "can't be planned"),
        ("asr > before and p < 0.05", {}, "can't be planned"),
        ("asr.high > before + 0.02", {}, "can't be planned"),
        ("asr > before.high", {}, "can't be planned"),
        ("perplexity > before + 0.5", {}, "about perplexity, which is no share of prompts"),
        ("asr > before + 0.02", {"change": 0.02}, "a change of 0.02 is no more than"),
        ("refusals < before - 0.05", {}, "unknown measure 'refusals'; did you mean 'refusal'[?] known: refusal, "),
        ("asr > before + 1", {}, "are shares of all prompts, so together they are at most 1; write 2% as 0.02"),
        ("asr > before", {"change": 0.9, "discordance": 0.2}, "together they are at most 1"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(condition, options, says):
    with pytest.raises(ValueError, match=says) as refused:
        plan_gate(parse_condition(condition), **options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["refusal/heldout", "asr_any_of_5", "not_refused", "includes", "refusal/harmful"])
def test_every_share_that_an_evaluation_or_a_log_has_can_be_planned(name):
    assert plan_gate(parse_condition(f"{name} > before + 0.05"), prompts=()).margin == 0.05


def test_a_margin_is_how_much_worse_a_model_may_be():
    assert margin_of(parse_condition("utility < before - 0.03")) == 0.03
    assert margin_of(parse_condition("asr > before - 0.01")) == -0.01
    assert margin_of(parse_condition("asr > 0.5 * before + 0.5 * before + 0.02")) == 0.02
