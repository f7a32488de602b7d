import pytest

from holdfast.p_values import p_text, p_texts, p_words, rank_p_value


@pytest.mark.parametrize(
    ("p_value", "says"), [(0.0, "<0.001"), (0.000999, "<0.001"), (0.001, "0.001"), (0.0324, "0.032"), (1, "1.000")]
)
def test_a_p_value_is_never_shown_as_zero(p_value, says):
    assert p_text(p_value) == says


def test_tables_and_sentences_write_a_p_value_alike():
    assert p_texts(0.0, 0.012) == "<0.001 (0.012)"
    assert p_words(0.0, 0.012) == "paired p <0.001, 0.012 corrected"
    assert (p_texts(0.5, None), p_words(0.5, None)) == ("0.500", "paired p 0.500")


def test_a_rank_p_value_counts_controls_at_least_as_large_in_either_direction():
    assert rank_p_value(0.5, [0.4] * 19) == 1 / 20
    assert rank_p_value(-0.5, [0.4] * 18 + [0.5]) == 2 / 20  # a tie counts against the effect, and so does a rise
    assert rank_p_value(0.0, [0.0] * 5) == 1.0
    assert rank_p_value(0.5, []) == 1.0


def test_without_an_effect_a_rank_p_value_is_at_most_0_05_in_one_of_twenty():
    order = range(1, 21)  # every one of twenty equally likely places of the effect
    assert sum(rank_p_value(own, [one for one in order if one != own]) <= 0.05 for own in order) == 1
