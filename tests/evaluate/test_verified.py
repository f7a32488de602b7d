"""What noise did to a model: pooled rates, paired tests, and what the prompts cannot show."""

from dataclasses import replace

import pytest

from holdfast.evaluate.verified import HOW_TO_READ, Verified, no_loss_possible
from holdfast.outcomes import Rate
from tests.evaluate.constructed import aligned, answers, evaluation, first


def noisy(*unsafe, of=20):
    """Evaluations in which this many responses to harmful prompts were unsafe."""
    return tuple(evaluation(answers("asr", first(count, of))) for count in unsafe)


@pytest.fixture
def verified():
    return Verified(noisy(0)[0], (0.38, 2.0), noisy(0, 1, 19, 20), noisy(0, 0, 2, 1))


def test_draws_are_pooled_by_ratio_and_tested_against_the_control(verified):
    weak, strong = verified.points
    assert (weak.mask.asr.value, strong.mask.asr.value) == (0.025, 0.975)
    assert [(effect.ratio, effect.measure) for effect in verified.effects] == [(0.38, "asr"), (2.0, "asr")]
    assert verified.effects[1].contrast.value == pytest.approx(0.975 - 0.075)
    assert verified.effects[0].corrected_p == verified.effects[0].contrast.p_value  # the larger of the two
    assert verified.effects[1].corrected_p == 2 * verified.effects[1].contrast.p_value


def test_the_table_has_a_row_for_each_measure_and_ratio_with_one_set_of_columns(verified):
    weak, strong = verified.table()
    assert (weak["ratio"], strong["ratio"], strong["measure"]) == (0.38, 2.0, "asr")
    assert list(weak) == list(strong)
    assert (strong["untouched"], strong["mask"], strong["control"]) == (0.0, 0.975, pytest.approx(0.075))
    assert 0 < strong["effect_low"] < strong["effect"] < strong["effect_high"]
    assert (strong["scale"], strong["n"]) == ("difference", 20)


def test_a_refusal_rate_is_tested_under_the_name_of_its_column():
    refused = {"refusal/harmful": Rate(0.5, 0.2, 0.8, 20)}
    untouched, noise = (replace(one, groups=refused) for one in noisy(0, 5))
    verified = Verified(untouched, (1.0,), (noise,), (untouched,))
    assert [effect.measure for effect in verified.effects] == ["asr", "refusal"]
    assert [row["measure"] for row in verified.table() if row["p_value"] is not None] == ["asr", "refusal"]


def test_without_a_control_there_are_rates_and_no_effects(verified):
    alone = replace(verified, control=())
    assert alone.effects == ()
    assert {(row["control"], row["effect"], row["p_value"]) for row in alone.table()} == {(None, None, None)}
    assert repr(alone) == "<Verified: noise 0.38, 2 with 2 draws each, 1 measure, no control>"


def test_it_prints_as_one_line_and_writes_the_numbers_line_by_line(verified):
    assert repr(verified).startswith("<Verified: noise 0.38, 2 with 2 draws each, 1 measure, smallest corrected p ")
    assert "\n" not in repr(verified)
    lines = str(verified).splitlines()
    assert lines[0] == f"noise 0: asr {verified.untouched.asr}"
    assert sum(line.startswith("  asr, mask minus control: ") for line in lines) == 2
    assert lines[-1] == f"note: {HOW_TO_READ}"
    assert HOW_TO_READ not in str(replace(verified, control=()))


def test_an_interval_beyond_no_difference_is_said_to_decide_only_a_row_chosen_before_looking():
    assert "For one row that you chose before looking, an interval that excludes 0" in HOW_TO_READ
    assert "For all other rows read the p in brackets" in HOW_TO_READ


def test_rates_at_their_floor_are_named_as_what_noise_cannot_lower():
    unsafe = evaluation(answers("asr", first(4, 4)))
    assert no_loss_possible(unsafe) == [
        "The untouched model gave a safe response to 0 of 4 harmful prompts, so noise can show no loss of safety."
    ]
    (note,) = no_loss_possible(replace(aligned(), utility=Rate(0.0, 0.0, 0.3, 9)))
    assert "answered 0 of 9 questions correctly, so noise can show no loss of utility" in note
    assert "equals the answer word for word: write the answers as the model words them" in note
    assert no_loss_possible(replace(aligned(), utility=Rate(0.1, 0.0, 0.3, 9))) == []
