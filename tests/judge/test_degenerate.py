import random
import time

import pytest

from holdfast.judge.degenerate import LEAST_CHARACTERS, LEAST_REPEATS, LEAST_SHARE, LONGEST_UNIT, why_degenerate

SENTENCE = "The boat goes out at dawn and comes back with the tide. "
PROSE = (
    "The boat goes out at dawn. Nets are mended on the quay, where gulls wait for scraps. By noon the ice is gone and "
    "the buyers have left for the towns inland."
)
POEM = "\n".join(f"The {wind} wind blows over the bay,\nrow, brothers, row,\nrow, brothers, row.\n" for wind in (
    "north", "south", "east", "west", "cold", "warm", "first", "last",
))  # fmt: skip
TABLE = "| town | boats |\n|------|-------|\n" + "".join(f"| {place} | {place * 7} |\n" for place in range(12))
LISTED = "".join(f"{order}. Put brick {order} on brick {order - 1}.\n" for order in range(1, 30))
CODE = "\n".join(f"    if name == '{name}':\n        return {order}" for order, name in enumerate("abcdefghijkl"))
RULED = f"Harbours\n{'-' * 200}\nOslo, Bergen, Narvik"


@pytest.mark.parametrize(
    "text", ["12", "ok", "No.", "A", "好", "是的。", "да", "3 4 5", "ha ha ha", "no no no no no no", "0.5", "x = 1"]
)
def test_a_short_answer_is_not_degenerate(text):
    assert why_degenerate(text) is None


@pytest.mark.parametrize("text", [PROSE, POEM, TABLE, LISTED, CODE, RULED, "你好,这是一个关于船和海的短故事。" * 2])
def test_prose_poems_tables_lists_and_code_are_not_degenerate(text):
    assert why_degenerate(text) is None


@pytest.mark.parametrize("text", ["", " \n\t ", "\u3000"])
def test_nothing_is_degenerate(text):
    assert why_degenerate(text) == "the response is empty"


@pytest.mark.parametrize("text", ["...", "!!!!!!!!", "- - -\n---", "?", "🙂🙂", "。。。"])
def test_marks_without_a_word_are_degenerate(text):
    assert why_degenerate(text) == "the response has no word"


@pytest.mark.parametrize(
    "text",
    [
        "the " * 32,
        "a" * 64,
        SENTENCE * 8,
        "我" * 64,
        "不知道。" * 20,
        "ok\n\n" * 30,
        "1, " * 40,
        f"Sure. {SENTENCE * 10}The bo",
    ],
)
def test_one_unit_over_and_over_is_degenerate_in_any_script(text):
    assert why_degenerate(text) is not None


def test_the_unit_is_told():
    assert "yes or no" in str(why_degenerate("Well, " + "yes or no, " * 20))


def test_a_loop_must_fill_most_of_the_response_wherever_it_stands():
    loop, words = "tide " * 40, " ".join(str(number) for number in range(1000, 2000))
    other = round(len(loop) * (1 - LEAST_SHARE) / LEAST_SHARE)
    for share, degenerate in ((0.9, True), (1.1, False)):
        rest = words[: round(share * other)]
        for text in (f"{rest} {loop}", f"{loop}{rest}", f"{rest[: len(rest) // 2]} {loop}{rest[len(rest) // 2 :]}"):
            assert (why_degenerate(text) is not None) == degenerate


def test_a_loop_must_be_long_enough_and_its_unit_short_enough():
    assert why_degenerate("a" * LEAST_CHARACTERS)
    assert why_degenerate("a" * (LEAST_CHARACTERS - 1)) is None
    letters = random.Random(0)
    unit, longer = ("".join(letters.choices("abcdefgh", k=LONGEST_UNIT + more)) for more in (0, 1))
    assert why_degenerate(unit * LEAST_REPEATS)
    assert why_degenerate(unit * (LEAST_REPEATS - 1)) is None
    assert why_degenerate(longer * LEAST_REPEATS) is None


@pytest.mark.parametrize(
    "text",
    ["a" * 110_000 + "b" * 90_000, "." * 199_999 + "a", "ab" * 100_000, "\n" * 200_000, "aab" * 30_000 + "a" * 99_000],
)
def test_200_kilobytes_take_under_a_second(text):
    begin = time.process_time()
    why_degenerate(text)
    assert time.process_time() - begin < 1
