"""The selectors by name: what `--selector` takes."""

from collections.abc import Callable

from holdfast.registry import Registry
from holdfast.values import Mask

SELECTORS: Registry[Callable[..., Mask]] = Registry("selector")
"""Each takes Scores and its own Options and returns a Mask; set_difference takes utility Scores between the two."""
