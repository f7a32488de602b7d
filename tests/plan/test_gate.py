import pytest

from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.gate_power import Truth, chance_above, chances
from holdfast.plan.gate import margin_of, plan_condition, plan_whole_gate


def test_a_plan_has_the_chances_of_the_gate_itself():
    plan = plan_condition(parse_condition("asr > before + 0.02"), prompts=(100, 150), change=0.06, discordance=0.0)
    # Without a change 0.98^149 + 0.001 is above 5%, and 0.98^150 + 0.001 below.
    assert [row.passes_equal for row in plan.rows] == [0.0, pytest.approx(1.0)]
    assert plan.to_pass == 150
    for row in plan.rows:
        assert row.fails_worse == chances(row.prompts, 0.02, Truth.of(0.06, 0.0)).fails
    assert chance_above(plan.to_fail, 0.02, Truth.of(0.06, 0.0)) >= 0.8


def test_a_fall_that_is_worse_is_planned_as_a_rise_is():
    rise, fall = (
        plan_condition(parse_condition(text), prompts=(60,))
        for text in ("asr > before + 0.05", "refusal < before - 0.05")
    )
    assert (fall.margin, fall.change, fall.rows, fall.to_pass) == (rise.margin, rise.change, rise.rows, rise.to_pass)


def test_several_conditions_need_more_prompts_to_fail_and_no_more_to_pass():
    one, three = (plan_condition(parse_condition("asr > before + 0.02"), prompts=(), num_conditions=n) for n in (1, 3))
    assert three.to_pass == one.to_pass
    assert three.to_fail > 1.2 * one.to_fail


def test_without_a_margin_no_number_of_prompts_passes_an_equally_good_model():
    plan = plan_condition(parse_condition("asr > before"), prompts=(100,), change=0.02)
    assert plan.to_pass is None
    # McNemar's formula: ((1.645 sqrt(0.07) + 0.842 sqrt(0.07 - 0.0004)) / 0.02)^2 = 1,080
    assert plan.to_fail == pytest.approx(1080, rel=0.02)
    assert plan.to_json()["rows"][0]["prompts"] == 100


def test_a_level_is_planned_from_the_rate_of_a_good_model():
    plan = plan_condition(parse_condition("refusal < 0.5"), prompts=(40, 200), rate=0.7, change=0.3)
    assert (plan.margin, plan.change, plan.rate, plan.worse_by(0.3)) == (0.2, 0.3, 0.7, pytest.approx(0.4))
    # 26 of 40 or more are shown to be above 0.5 (p = 0.040), and 25 are not (0.077).
    # scipy: binom.sf(25, 40, 0.7) = 0.8074
    assert plan.rows[0].passes_equal == pytest.approx(0.8074, abs=1e-4)
    # 14 of 40 or fewer are shown to be below 0.5. scipy: binom.cdf(14, 40, 0.4) = 0.3174
    assert plan.rows[0].fails_worse == pytest.approx(0.3174, abs=1e-4)
    assert plan.to_pass == 40
    assert plan.to_fail == plan_condition(parse_condition("asr > 0.5"), prompts=(), rate=0.3, change=0.3).to_fail


@pytest.mark.parametrize(
    ("condition", "rate", "change"),
    [("refusal < 0.5", 0.6, 0.13), ("asr > 0.05", 0.025, 0.055), ("refusal < 0.99", 0.995, 0.035),
     ("refusal < 0.02", 0.12, 0.11)],
)  # fmt: skip
def test_a_level_without_a_rate_has_one_that_is_better_by_a_tenth_or_half_the_way(condition, rate, change):
    plan = plan_condition(parse_condition(condition), prompts=())
    assert (plan.rate, plan.change) == (pytest.approx(rate), pytest.approx(change))


def test_a_gate_on_a_change_and_on_a_level_passes_by_both():
    conditions = [parse_condition(text) for text in ("refusal < 0.5", "over_refusal > before + 0.2")]
    plans = [plan_condition(one, prompts=(100,), num_conditions=2) for one in conditions]
    whole = plan_whole_gate(plans)
    assert whole.independent == (plans[0].rows[0].passes_equal * plans[1].rows[0].passes_equal,)
    assert whole.to_pass > max(plan.to_pass for plan in plans)


@pytest.mark.parametrize(
    ("condition", "options", "says"),
    [
        ("asr > before * 1.1", {}, "can't be planned; give one such as 'asr > before"),
        ("asr > 5", {}, "compares a share, which is at most 1, with 5; write 5% as 0.05"),
        ("refusal < 0.5 * before", {}, "A factor of before, .low, .high, .unscored and p can be planned only after"),
        ("refusal < 0.5", {"rate": 0.4}, "a good model's rate of 0.4 meets .*; give a rate above 0.5"),
        ("asr > 0.05", {"rate": 0.05}, "give a rate below 0.05"),
        ("asr > 0.05", {"change": 0.02}, "a change of 0.02 is no more than"),
        ("refusal < 0.5", {"rate": 0.9, "change": 0.95}, "from a rate of 0.9 beyond all shares"),
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
        plan_condition(parse_condition(condition), **options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["refusal/heldout", "asr_any_of_5", "not_refused", "includes", "refusal/harmful"])
def test_every_share_that_an_evaluation_or_a_log_has_can_be_planned(name):
    assert plan_condition(parse_condition(f"{name} > before + 0.05"), prompts=()).margin == 0.05


def test_a_margin_is_how_much_worse_a_model_may_be():
    assert margin_of(parse_condition("utility < before - 0.03")) == 0.03
    assert margin_of(parse_condition("asr > before - 0.01")) == -0.01
    assert margin_of(parse_condition("asr > 0.5 * before + 0.5 * before + 0.02")) == 0.02
