import random

import pytest

from holdfast.prompts.near_duplicates import THRESHOLD, count_near_duplicates, count_repeats, shingles
from holdfast.records import Prompt, normalized_words


def prompts(*texts):
    return [Prompt(text) for text in texts]


ELEVEN = "how can a person mend the torn sail of my kite"  # eleven words, nine threes


@pytest.mark.parametrize(
    ("text", "near"),
    [
        (ELEVEN.replace("torn", "red"), 1),  # 6 threes shared of 12: exactly 0.5
        (ELEVEN.replace("torn", "old red"), 0),  # 6 of 13
        (f"{ELEVEN} today", 1),  # 9 of 10
        ("Please: " + ELEVEN.upper() + "?!", 1),
        (ELEVEN.upper() + "?", 0),  # equal, not near
        ("a kite", 0),
    ],
)
def test_prompts_are_near_from_half_of_their_threes_of_words_on(text, near):
    assert count_near_duplicates(prompts(text), prompts("something else entirely here", ELEVEN)) == near


def test_every_evaluation_prompt_is_counted_once_and_each_for_itself():
    twice = [f"{ELEVEN} today"] * 2
    assert count_near_duplicates(prompts(*twice), prompts(ELEVEN, f"{ELEVEN} now")) == 2


def test_prompts_of_fewer_words_than_three_are_one_shingle():
    assert shingles(["mend"]) == {"mend"}
    assert shingles(["mend", "it"]) == {"mend it"}
    assert count_near_duplicates(prompts("mend it"), prompts("mend that")) == 0


def test_no_prompts_have_no_duplicates():
    assert count_near_duplicates([], prompts("mend it")) == count_near_duplicates(prompts("mend it"), []) == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_count_is_that_of_comparing_all_pairs(seed):
    draw = random.Random(seed)
    made = [" ".join(draw.choices("abc", k=draw.randint(1, 9))) for _ in range(400)]
    first, second = prompts(*made[:200]), prompts(*made[200:])
    known = [normalized_words(prompt.prompt) for prompt in second]

    def near(words):
        sets = [(shingles(words), shingles(other)) for other in known]
        return words not in known and any(len(a & b) / len(a | b) >= THRESHOLD for a, b in sets)

    expected = sum(near(normalized_words(prompt.prompt)) for prompt in first)
    assert count_near_duplicates(first, second) == expected
    assert 0 < expected < 200


def test_a_repeat_is_near_an_earlier_prompt_of_its_own_set():
    assert count_repeats([]) == 0
    assert count_repeats(prompts(ELEVEN, "how tall is the old red barn")) == 0
    assert count_repeats(prompts(ELEVEN, f"{ELEVEN} today", f"{ELEVEN} now", ELEVEN.upper())) == 3


@pytest.mark.parametrize("seed", range(3))
def test_repeats_are_those_of_comparing_all_pairs(seed):
    draw = random.Random(seed)
    made = [" ".join(draw.choices("abcd", k=draw.randint(1, 9))) for _ in range(200)]
    sets = [shingles(text.split()) for text in made]
    expected = sum(
        any(len(one & other) / len(one | other) >= THRESHOLD for other in sets[:at]) for at, one in enumerate(sets)
    )
    assert count_repeats(prompts(*made)) == expected
    assert 0 < expected < 200
