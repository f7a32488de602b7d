import pytest
import torch
from reproductions.gapo.bandit import gains

from holdfast.intervene.train.combine.p_gapo import p_gapo

SEEDS = range(10)
GRAM = torch.tensor([[4.0, 1.0], [1.0, 25.0]], dtype=torch.float64)


def test_weights_are_preferences_over_lengths():
    assert p_gapo(GRAM, (0.2, 0.8)).tolist() == pytest.approx([0.2 / 2, 0.8 / 5])
    assert p_gapo(GRAM).tolist() == pytest.approx([0.5 / 2, 0.5 / 5])
    assert p_gapo(torch.zeros(2, 2, dtype=torch.float64)).tolist() == [0, 0]


def test_the_first_reward_gains_more_the_more_it_is_preferred():
    gained = [
        sum(float(gains(lambda gram, share=share: p_gapo(gram, (share, 1 - share)), seed)[0]) for seed in SEEDS)
        for share in (0.2, 0.4, 0.6, 0.8)
    ]
    assert gained == sorted(gained)
    assert gained[0] < 0 < gained[-1]


def test_a_preference_for_every_loss_is_needed():
    with pytest.raises(ValueError, match="preferences has 3 numbers and there are 2 losses"):
        p_gapo(GRAM, (0.2, 0.3, 0.5))
