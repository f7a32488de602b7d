"""The name by which transformers takes and gives back a cache of keys and values: `cache`, before 5.24 another.

A call by the old name warns on every run.
"""

from typing import Any

from transformers.modeling_outputs import BaseModelOutputWithPast

NAME = "cache" if "cache" in BaseModelOutputWithPast.__dataclass_fields__ else "past_key_values"


def cache_argument(cache: Any) -> dict[str, Any]:
    """The cache as an argument of a forward pass or a generation."""
    return {NAME: cache}


def cache_of(output: Any) -> Any:
    """The cache that a forward pass or a generation gave back."""
    return getattr(output, NAME)
