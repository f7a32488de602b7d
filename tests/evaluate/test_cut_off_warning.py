"""The warning about cut-off responses asks for as many tokens as the measured rates need."""

import pytest

from holdfast.evaluate.cut_off_warning import warning_of_cut_off
from holdfast.evaluate.statistics import rate
from holdfast.outcomes import Evaluation, Outcome, Rate

NONE = Rate(None, None, None, 0)
SOME = rate([Outcome("safe"), Outcome("unsafe")], "unsafe")


def warned(limit, asr=NONE, utility=NONE):
    cut = rate([Outcome("cut_off"), Outcome("ended")], "cut_off")
    generation = {"generation": {"max_new_tokens": limit}}
    return warning_of_cut_off(Evaluation(asr, SOME, utility, None, groups={"cut_off/all": cut}, made_by=generation))


@pytest.mark.parametrize("others", [{"asr": SOME}, {"utility": SOME}])
def test_attack_success_and_utility_need_long_responses(others):
    assert "may be wrong: evaluate with max_new_tokens 256 or more." in warned(64, **others)
    assert "first words" not in warned(64, **others)


def test_refusals_alone_need_the_first_words():
    assert "so this limit is enough for the rates of refusals. Attack success, utility" in warned(64)
    assert "Rates of refusals may be wrong below 64 tokens" in warned(63)
    assert warned(256) is None
