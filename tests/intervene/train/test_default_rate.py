"""A small model at the default learning rate of SET is warned of, unless somebody chose that rate."""

import pytest

from holdfast.intervene.options import EnhanceOptions
from holdfast.intervene.train.default_rate import BILLION, warn_of_default_rate


def test_a_small_model_at_the_default_rate_is_warned_of_with_the_rates_that_we_measured(caplog):
    warn_of_default_rate(134_515_008, EnhanceOptions())
    assert "SET trains at 3e-05, the paper's rate for billions of weights" in caplog.text
    assert "This model has 135 million" in caplog.text
    assert "2e-4 to 1e-3 at 135 million" in caplog.text


@pytest.mark.parametrize(
    ("num_weights", "options"),
    [
        (BILLION, EnhanceOptions()),
        (1000, EnhanceOptions(learning_rate=3e-5)),
        (1000, EnhanceOptions(learning_rate=0.5)),
    ],
)
def test_a_large_model_or_a_chosen_rate_is_not_warned_of(num_weights, options, caplog):
    warn_of_default_rate(num_weights, options)
    assert caplog.text == ""
