"""An error about settings names the options that the user typed."""

import pytest

from holdfast.typed_options import as_typed


@pytest.mark.parametrize(
    ("tokens", "sentence"),
    [
        (["--freeze", "head", "--lora.rank=8"], "--freeze has no effect with --lora.rank; 'freeze' stays."),
        (["--lora.rank", "8"], "freeze has no effect with --lora.rank; 'freeze' stays."),
        (["freeze", "--freezer"], "freeze has no effect with lora; 'freeze' stays."),
    ],
)
def test_a_setting_is_named_by_the_option_that_set_it(tokens, sentence):
    assert as_typed("freeze has no effect with lora; 'freeze' stays.", ["freeze", "lora"], tokens) == sentence


def test_an_underscore_stands_for_the_dash_of_an_option():
    assert as_typed("own_tokens=3 is wrong.", ["own_tokens"], ["--own-tokens", "3"]) == "--own-tokens=3 is wrong."
