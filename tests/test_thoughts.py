import pytest

from holdfast.thoughts import without_thoughts


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
