"""The line at the end of a training under a hold."""

import pytest
import torch

from holdfast.intervene.hold.hold_summary import hold_summary
from holdfast.values import Mask


def mask_of(count, entries=100_000):
    return Mask({"weight": torch.arange(count)}, {"weight": (entries,)}, "base", entries)


@pytest.mark.parametrize(
    ("steps", "places"),
    [
        ([], "the end"),
        ([300], "step 300 and the end"),
        ([300, 600], "steps 300, 600 and the end"),
        (list(range(10, 160, 10)), "steps 10, 20, 30, ... and 12 more, and the end"),
    ],
)
def test_the_steps_of_the_checks_are_named_and_many_are_counted(steps, places):
    assert hold_summary(mask_of(1000), steps) == f"held 1,000 weights (1.00%); every bit checked at {places}"


def test_a_share_that_would_round_to_nothing_is_bounded():
    assert hold_summary(mask_of(4, 1_000_000), []).startswith("held 4 weights (less than 0.001%);")


def test_a_refreshed_mask_is_spoken_of_since_its_step():
    assert hold_summary(mask_of(1000), [6], since=4).startswith("held 1,000 weights (1.00%) since step 4;")
