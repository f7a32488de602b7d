"""Random directions, the control of a direction: of its length, its layer and its model."""

import pytest
import torch

from holdfast import Direction, random_direction, save_direction

GIVEN = Direction(torch.tensor([3.0, 4.0] + [0.0] * 98), 2, 7.0, "base", {"method": "difference_in_means"})


def test_a_random_direction_has_the_same_length_and_another_way(tmp_path):
    first, second = (random_direction(GIVEN, seed) for seed in range(2))
    assert float(first.vector.norm()) == pytest.approx(5.0, rel=1e-5)  # float32
    assert (first.layer, first.norm, first.base) == (2, 7.0, "base")
    assert max(abs(float(first.unit @ other.unit)) for other in (second, GIVEN)) < 0.5  # 5 standard deviations of 0.1
    save_direction(tmp_path / "direction", GIVEN)
    assert first == random_direction(tmp_path / "direction", seed=0)


def test_a_random_direction_records_its_seed_and_what_it_is_compared_with():
    made_by = random_direction(GIVEN, seed=3).made_by
    assert (made_by["method"], made_by["seed"], made_by["like"]) == ("random", 3, GIVEN.made_by)


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**32])
def test_a_seed_that_no_generator_takes_is_refused(seed):
    with pytest.raises(ValueError, match=r"seed is .*; give a whole number from 0 to 4294967295"):
        random_direction(GIVEN, seed)
