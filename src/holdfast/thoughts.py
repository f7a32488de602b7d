"""Separates what a reasoning model thinks from what it says.

Thoughts are kept in every record. Exact match, the refusal rules and the judges read what follows them.
"""

from collections.abc import Iterator

MARKS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
)
"""Opening and closing mark of a block of thoughts, as chat templates write them."""


def without_thoughts(text: str) -> str:
    """Returns the spoken part of a response.

    A block counts where the response begins with it. A closing mark without an opening one ends a block that the
    generation prompt has opened. A block that never closes is all thoughts, and leaves an empty text. A response
    without a block comes back unchanged, white space included.
    """
    for opening, closing in MARKS:
        if text.lstrip().startswith(opening):
            _, closed, spoken = text.partition(closing)
            return without_thoughts(spoken.lstrip()) if closed else ""
        if opening not in text and closing in text:
            return without_thoughts(text.partition(closing)[2].lstrip())
    return text


def opened_thoughts(asked: str) -> str:
    """Returns the end of a prompt that opens a block of thoughts, from its mark on; empty where it opens none."""
    opened = (mark + end for mark, end in _ends(asked))
    return next(opened, "")


def continue_thoughts(asked: str, response: str) -> tuple[str, int]:
    """Fits a response to a prompt that may have opened a block of thoughts already.

    Returns the text that goes between the two, and where the response goes on. A response that opens the block itself
    goes on behind its mark. One without thoughts follows an empty block.
    """
    closings = dict(MARKS)
    for mark, end in _ends(asked):
        if response.lstrip().startswith(mark):
            start = response.index(mark) + len(mark)
            return "", start + (len(end) if response.startswith(end, start) else 0)
        return ("", 0) if closings[mark] in response else (f"\n{closings[mark]}\n\n", 0)
    return "", 0


def _ends(asked: str) -> Iterator[tuple[str, str]]:
    """The opening mark that a prompt ends with, and the white space behind it."""
    for opening, _ in MARKS:
        _, mark, end = asked.rpartition(opening)
        if mark and not end.strip():
            yield mark, end
