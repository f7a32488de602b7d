"""Separates a reasoning model's thoughts from the answer after them.

Every record keeps the thoughts. Exact match, the refusal rules and the judges read only the answer.
"""

from collections.abc import Iterator

MARKS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
)
"""Opening and closing marks of a block of thoughts, as chat templates write them."""


def without_thoughts(text: str) -> str:
    """Returns a response without its thoughts.

    A block of thoughts counts only at the start of the response. A closing mark without an opening mark ends a block
    that the generation prompt opened. A block that never closes leaves an empty text. A response without a block comes
    back unchanged, white space included.
    """
    for opening, closing in MARKS:
        if text.lstrip().startswith(opening):
            _, closed, answer = text.partition(closing)
            return without_thoughts(answer.lstrip()) if closed else ""
        if opening not in text and closing in text:
            return without_thoughts(text.partition(closing)[2].lstrip())
    return text


def opened_thoughts(asked: str) -> str:
    """Returns the end of a prompt from a mark that opens thoughts at its very end. Empty where there is none."""
    opened = (mark + end for mark, end in _ends(asked))
    return next(opened, "")


def continue_thoughts(asked: str, response: str) -> tuple[str, int]:
    """Joins a response to a prompt that may already open a block of thoughts.

    Returns the text to put between the two, and the position in the response from which to continue. A response that
    opens the block itself continues after its mark. A response without thoughts gets an empty block before it.
    """
    closings = dict(MARKS)
    for mark, end in _ends(asked):
        if response.lstrip().startswith(mark):
            start = response.index(mark) + len(mark)
            return "", start + (len(end) if response.startswith(end, start) else 0)
        return ("", 0) if closings[mark] in response else (f"\n{closings[mark]}\n\n", 0)
    return "", 0


def _ends(asked: str) -> Iterator[tuple[str, str]]:
    """Yields the opening mark at the end of a prompt, and the white space after it."""
    for opening, _ in MARKS:
        _, mark, end = asked.rpartition(opening)
        if mark and not end.strip():
            yield mark, end
