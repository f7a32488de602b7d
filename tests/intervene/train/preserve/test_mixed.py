import pytest

from holdfast.intervene.train.examples import shuffled_positions
from holdfast.intervene.train.loss import mean_loss
from holdfast.intervene.train.preserve.mixed import mixed
from tests.intervene.given import HARMLESS, REFUSALS
from tests.intervene.train.preserve.toys import OPTIONS, tuned


def test_a_share_of_the_examples_are_safety_exchanges_spread_evenly():
    examples, order = mixed(HARMLESS, REFUSALS, share=0.25, length=16, seed=0)
    is_safety = [examples[place] in REFUSALS for place in order]
    assert is_safety == [False, False, False, True] * 4
    task = [place for place in order if place < len(HARMLESS)]
    assert task == shuffled_positions(len(HARMLESS), 12, 0), "the task's examples come as in plain fine-tuning"


def test_mixed_trains_on_what_the_mixture_holds():
    share = {"safety_share": 0.5}
    loaded, result = tuned("mixed", safety=REFUSALS, method_options=share, iterations=8, learning_rate=3e-2)
    plain, _ = tuned("plain", iterations=8, learning_rate=3e-2)
    assert mean_loss(loaded, REFUSALS, OPTIONS) < mean_loss(plain, REFUSALS, OPTIONS) - 0.5
    assert result.losses[-1] < result.losses[0]
    assert (result.safety_read, result.safety_given) == (OPTIONS.batch_size * 8 // 2, len(REFUSALS))


@pytest.mark.parametrize("share", [0, 1])
def test_a_share_of_none_or_all_is_refused(share):
    with pytest.raises(ValueError, match=f"safety_share is {share}"):
        tuned("mixed", safety=REFUSALS, method_options={"safety_share": share})
