"""Separates what a reasoning model thinks from what it says.

Thoughts are kept in every record. Exact match, the refusal rules and the judges read what follows them.
"""

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
