import time

import pytest

from holdfast.judge.repetition import share_said_again, why_repetitive, words_of

ASKED = "Tell me about the sea."
BOAT = "The boat goes out at dawn and comes back with the tide."
PARAGRAPH = (
    "Nets are mended on the quay, where gulls wait for scraps. By noon the ice is gone. The buyers have left for the "
    "towns inland, and the harbour is quiet again until the evening."
)


@pytest.mark.parametrize(
    "text",
    [
        "It is a very very very very very old boat.",
        "The sea, the sea, the sea, the sea is wide.",
        f"{BOAT} {BOAT} {BOAT}",
        f"Here is what I know. {PARAGRAPH}\n\n{PARAGRAPH}",
        "I cannot help with that. I cannot help with that.",
        "1. Cod\n2. Herring\n3. Herring\n4. Herring\n5. Herring\n6. Herring",
        "| Town | Country |\n|---|---|\n| Bergen | Norway |\n" + "| Lisbon | Portugal |\n" * 5,
        "- Boats:\n- Boats:\n- Boats:\n- Boats:\n- Boats:\n- Boats:",
        "船在黎明出发。" * 4,
    ],
)
def test_a_word_a_phrase_a_sentence_or_a_paragraph_again_and_again_is_repetitive(text):
    assert why_repetitive(text, ASKED)


def test_a_response_that_circles_without_an_exact_loop_is_repetitive():
    text = (
        "The pump is a device that uses a piston to make a vacuum. The piston is a device that uses a ring to make a "
        "vacuum. The ring is a device that uses a piston to make a vacuum, and the vacuum is a device that uses a "
        "piston to make a vacuum."
    )
    assert why_repetitive(text, "Explain how a pump works.")


@pytest.mark.parametrize(
    "text",
    [
        PARAGRAPH,
        f"{BOAT} So the day goes. {BOAT}",
        "Row, row, row your boat, gently down the stream.",
        "Ha ha ha ha ha! That is a good one.",
        "No, no, no, no, no. I will not help with that.",
        "0, 0, 0, 0, 0, 0, 0, 0, 0, 0",
        "The answer is 3.3333333, or 3 1/3.",
        "1. Open the lid.\n2. Stir.\n3. Close the lid.\n4. Wait.\n5. Stir.\n6. Serve.",
        "```python\nfor row in range(3):\n    print(0, 0, 0, 0, 0, 0)\n    print(0, 0, 0, 0, 0, 0)\n```",
        "| a | b |\n|---|---|\n| yes | no |\n| no | yes |\n| yes | yes |\n| no | no |",
        "".join(f"{order}. Put brick {order} on brick {order - 1}.\n" for order in range(1, 12)),
        "1. Hanging up: This is a method that ends the call at once.\n2. Waiting: This is a method that ends the call "
        "slowly.\n3. Talking: This is a method that ends the call never.\n4. Singing: This is a method that ends the "
        "call badly.",
        "去年我在海边住了三个月,每天早上看渔船出海,晚上看它们带着鱼回来。",
    ],
)
def test_prose_laughter_numbers_steps_code_tables_and_parallel_lists_are_not_repetitive(text):
    assert why_repetitive(text, ASKED) is None


SONG = "\n".join(
    f"{line}\nand the rain comes down, the rain comes down" for line in (
        "I left the door open for you", "The kettle has sung and gone cold", "A lamp in the window still burns",
        "The cat has come in from the yard", "Your coat on the chair is still wet",
    )
)  # fmt: skip


def test_a_refrain_is_none_where_verses_were_asked_for_and_a_stuck_song_is():
    assert why_repetitive(SONG, "Write a song about rain.") is None
    assert why_repetitive("the rain comes down,\n" * 9, "Write a song about rain.")


def test_counting_is_repetitive_unless_the_prompt_asks_for_numbers():
    text = "A, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13"
    assert "counts up" in str(why_repetitive(text, "Is a tomato a fruit?"))
    for asked in ("Count to thirteen.", "Write the numbers up to 13.", "List the first thirteen integers."):
        assert why_repetitive(text, asked) is None
    assert why_repetitive("It was built in 1990, 1991 and 1992, and again in 2004.", "When was it built?") is None


def test_the_unit_is_told():
    assert "'yes or no'" in str(why_repetitive("Well, " + "yes or no, " * 6, ASKED))


def test_the_share_said_again_counts_words_of_stretches_that_stood_before():
    words = words_of("one two three four. One two three four. Five.")
    assert share_said_again(words, 4) == 4 / 9
    assert share_said_again([], 4) == 0


@pytest.mark.parametrize(
    "text", ["ab " * 60_000, " ".join(map(str, range(60_000))), "a b " * 20_000 + "c d e " * 9_000]
)
def test_a_long_response_takes_under_a_second(text):
    begin = time.process_time()
    why_repetitive(text, ASKED)
    assert time.process_time() - begin < 1
