"""The line at the end of training: how many weights were held, and at which steps every bit was checked."""

from collections.abc import Sequence

from holdfast.counts import agreeing
from holdfast.shares import share_words
from holdfast.values import Mask

LISTED = 3
"""Number of steps that the line names one by one. It counts the others."""


def hold_summary(mask: Mask, steps: Sequence[int], since: int = 0) -> str:
    """Writes the line about a hold that was checked after the saves at these steps, and at the end.

    Args:
        mask: the mask that was held.
        steps: steps of the saves, in order. There may be none.
        since: the step at which a refresh chose this mask, or 0 without a refresh.
    """
    held = f"held {len(mask):,} weights ({share_words(len(mask), mask.num_entries)})"
    return f"{held}{f' since step {since}' if since else ''}; every bit checked at {_places(steps)}"


def held_words(hold: object, held: int, *, is_released: bool) -> str:
    """Makes the repr of a hold: its class, and how many weights it holds."""
    return f"<{type(hold).__name__}: {held:,} weights{', released' if is_released else ''}>"


def _places(steps: Sequence[int]) -> str:
    if not steps:
        return "the end"
    named = ", ".join(map(str, steps[:LISTED]))
    if len(steps) > LISTED:
        return f"steps {named}, ... and {len(steps) - LISTED} more, and the end"
    return f"{agreeing(len(steps), 'step')} {named} and the end"
