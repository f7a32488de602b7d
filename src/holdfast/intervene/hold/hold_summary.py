"""One line at the end of a training: how many weights were held, and when every bit of them was checked."""

from collections.abc import Sequence

from holdfast.shares import share_words
from holdfast.values import Mask

LISTED = 3
"""Steps that are named one by one; the others are counted."""


def hold_summary(mask: Mask, steps: Sequence[int], since: int = 0) -> str:
    """The line of a hold that was checked after the saves at these steps, and at the end.

    Args:
        mask: what was held.
        steps: of the saves, in order; may be empty.
        since: the step at which a refresh chose this mask; 0 without one.
    """
    held = f"held {len(mask):,} weights ({share_words(len(mask), mask.num_entries)})"
    return f"{held}{f' since step {since}' if since else ''}; every bit checked at {_places(steps)}"


def held_words(hold: object, held: int, *, is_released: bool) -> str:
    """A hold as Python shows it: its kind, and how many weights it holds."""
    return f"<{type(hold).__name__}: {held:,} weights{', released' if is_released else ''}>"


def _places(steps: Sequence[int]) -> str:
    if not steps:
        return "the end"
    named = ", ".join(map(str, steps[:LISTED]))
    if len(steps) > LISTED:
        return f"steps {named}, ... and {len(steps) - LISTED} more, and the end"
    return f"{'steps' if len(steps) > 1 else 'step'} {named} and the end"
