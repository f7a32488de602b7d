import pytest

from holdfast.counts import agreeing, counted


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 prompts"), (1, "1 prompt"), (2, "2 prompts"), (1024, "1,024 prompts")]
)
def test_a_count_has_the_form_of_its_noun(count, words):
    assert counted(count, "prompt") == words


def test_other_words_have_a_form_for_one_and_one_for_all_others():
    assert [counted(count, "claim holds", "claims hold") for count in (0, 1, 2)] == [
        "0 claims hold",
        "1 claim holds",
        "2 claims hold",
    ]
    assert [agreeing(count, "is", "are") for count in (0, 1, 2)] == ["are", "is", "are"]
