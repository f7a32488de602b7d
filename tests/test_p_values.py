import pytest

from holdfast.p_values import p_text, p_texts, p_words


@pytest.mark.parametrize(
    ("p_value", "says"), [(0.0, "<0.001"), (0.000999, "<0.001"), (0.001, "0.001"), (0.0324, "0.032"), (1, "1.000")]
)
def test_a_p_value_is_never_shown_as_zero(p_value, says):
    assert p_text(p_value) == says


def test_tables_and_sentences_write_a_p_value_alike():
    assert p_texts(0.0, 0.012) == "<0.001 (0.012)"
    assert p_words(0.0, 0.012) == "paired p <0.001, 0.012 corrected"
    assert (p_texts(0.5, None), p_words(0.5, None)) == ("0.500", "paired p 0.500")
