from holdfast.moved_prompts import moved_words, which_prompts


def test_both_directions_are_counted():
    assert moved_words(24, 24, 1, is_unscored=False) == "24 prompts got worse and 1 got better"
    assert moved_words(1, 0, 1, is_unscored=True) == "1 prompt has no score"


def test_prompts_that_are_listed_are_of_one_kind():
    assert which_prompts(24, 24, is_unscored=False) == "24 prompts that got worse"
    assert which_prompts(1, 0, is_unscored=False) == "1 prompt that got better"
    assert which_prompts(2, 5, is_unscored=True) == "2 prompts without a score"
