import pytest

from holdfast.judge.english import common_words, is_english


@pytest.mark.parametrize("word", ["boat", "boats", "goes", "running", "carried", "happily", "unlikely", "rebuilding"])
def test_common_words_are_known_with_their_endings_and_beginnings(word):
    assert is_english(word)


@pytest.mark.parametrize("word", ["includ", "theuring", "assic", "quaying", "drapin", "unx", "servahonic"])
def test_beginnings_and_pieces_glued_together_are_not(word):
    assert not is_english(word)


def test_the_list_holds_base_forms_alone():
    assert len(common_words()) > 6000
    assert all(word.isascii() and word.islower() and word.isalpha() for word in common_words())
