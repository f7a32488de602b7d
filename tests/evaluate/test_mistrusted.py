"""When a high coherence is not to be trusted: right answers became ten times less likely per token."""

import pytest

from holdfast.evaluate.gate import comparison_warnings
from holdfast.evaluate.mistrusted import warning_of_mistrust
from holdfast.evaluate.verified import Verified, mistrusted
from holdfast.outcomes import Rate
from tests.evaluate.constructed import aligned


def model(perplexity, coherent=0.9):
    return aligned(perplexity=perplexity, **{"coherence/all": Rate(coherent, 0.1, 1.0, 20)})


def test_a_tenfold_perplexity_beside_a_high_coherence_is_warned_of_with_both_numbers():
    warning = warning_of_mistrust(model(76.7), model(268215.9))
    assert warning is not None
    assert "rose from 76.7 to 268216, but a share of 0.90 of the responses counts as coherent" in warning
    assert "not to be trusted" in warning


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (model(10.0), model(99.0)),
        (model(10.0), model(1000.0, coherent=0.2)),
        (model(10.0), model(1000.0, coherent=None)),
        (model(10.0), model(None)),
        (model(None), model(1000.0)),
        (model(10.0), aligned(perplexity=1000.0)),
    ],
)
def test_a_smaller_rise_a_low_coherence_and_missing_measures_are_not_warned_of(before, after):
    assert warning_of_mistrust(before, after) is None


def test_a_comparison_and_a_verification_warn_of_it(monkeypatch):
    before, after = model(10.0), model(1000.0)
    assert warning_of_mistrust(before, after) in comparison_warnings(before, after, "max_new_tokens")
    monkeypatch.setattr("holdfast.evaluate.verified.pool_evaluations", lambda draws: draws[0])
    verified = Verified(before, (0.1, 0.38), (before, after), (before, before))
    (sentence,) = mistrusted(verified)
    assert sentence.startswith("under noise 0.38 on the mask, the perplexity of right answers rose")
    assert f"note: {sentence}" in str(verified)
