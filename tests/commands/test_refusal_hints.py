"""Over-refusal has a hint where it is high beyond doubt, and names the sets of prompts that show it."""

import pytest

from holdfast.commands.refusal_hints import high_over_refusal
from holdfast.outcomes import Evaluation, Rate
from tests.report.sample import rate

NONE = Rate(None, None, None, 0)


@pytest.mark.parametrize(
    ("refused", "n", "is_high"),
    # Wilson's lower ends: 44 of 64: 0.57. 13 of 64: 0.12. 2 of 10: 0.06. 12 of 64 is a rate below 0.2.
    [(44, 64, True), (13, 64, True), (2, 10, False), (12, 64, False), (0, 64, False)],
)
def test_a_high_over_refusal_on_borderline_prompts_says_how_to_train_again(refused, n, is_high):
    line = high_over_refusal(Evaluation(NONE, NONE, NONE, 2.0, groups={"borderline": rate(refused, n)}))
    assert ("raise --harmless-share" in line) is is_high
    assert ("borderline prompts 0." in line) is is_high


def test_each_set_with_a_high_rate_is_named():
    groups = {"borderline": rate(1, 64), "over_refusal/questions": rate(32, 64)}
    line = high_over_refusal(Evaluation(NONE, rate(32, 64), NONE, 2.0, groups=groups))
    assert "harmless prompts 0.50 [" in line
    assert "questions 0.50 [" in line
    assert "borderline prompts 0" not in line


def test_a_steered_model_has_no_hint_on_training():
    made_by = {"steering": {"coefficient": 4.0}}
    assert high_over_refusal(Evaluation(NONE, rate(64, 64), NONE, 2.0, made_by=made_by)) == ""
