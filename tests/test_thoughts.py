import pytest

from holdfast.thoughts import continue_thoughts, opened_thoughts, without_thoughts


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("<think>I can't help with violence, but this is about programs.</think>\n\nUse kill -9.", "Use kill -9."),
        ("\n<think>\n\n</think>\n\n4", "4"),
        ("the prompt opened the block</think>4", "4"),
        ("<think>cut off in the middle", ""),
        ("<think>one</think><think>two</think>three", "three"),
        ("[THINK]Hm.[/THINK]Yes", "Yes"),
        ("  No thoughts, and white space stays.\n", "  No thoughts, and white space stays.\n"),
        ("The tags <think> and </think> enclose thoughts.", "The tags <think> and </think> enclose thoughts."),
        ("", ""),
    ],
)
def test_thoughts_are_left_out_and_speech_is_kept(text: str, spoken: str) -> None:
    assert without_thoughts(text) == spoken


@pytest.mark.parametrize(
    ("asked", "opened"),
    [
        ("<|assistant|><think>\n", "<think>\n"),
        ("<|assistant|>[THINK]", "[THINK]"),
        ("<|assistant|>\n", ""),
        ("<|assistant|><think>\n\n</think>\n\n", ""),
        ("what is <think> ? <|assistant|>", ""),
    ],
)
def test_a_prompt_opens_thoughts_where_it_ends_with_their_mark(asked: str, opened: str) -> None:
    assert opened_thoughts(asked) == opened


@pytest.mark.parametrize(
    ("asked", "response", "whole"),
    [
        ("A<think>\n", "4", "A<think>\n\n</think>\n\n4"),
        ("A<think>\n", "<think>\nHm.\n</think>\n\n4", "A<think>\nHm.\n</think>\n\n4"),
        ("A<think>\n", "<think>Hm.</think>4", "A<think>\nHm.</think>4"),
        ("A<think>\n", "Hm.</think>4", "A<think>\nHm.</think>4"),
        ("A", "<think>Hm.</think>4", "A<think>Hm.</think>4"),
        ("A[THINK]", "4", "A[THINK]\n[/THINK]\n\n4"),
    ],
)
def test_a_response_fits_the_thoughts_that_its_prompt_opened(asked: str, response: str, whole: str) -> None:
    lead, start = continue_thoughts(asked, response)
    assert asked + lead + response[start:] == whole
    assert without_thoughts(whole.removeprefix("A")) == "4"
