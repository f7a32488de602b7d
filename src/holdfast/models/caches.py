"""Names the argument in which transformers passes a cache of keys and values.

It is `cache`, and `past_key_values` before version 5.24. In newer versions the old name still works, but logs a warning
on every run.
"""

from typing import Any

from transformers.modeling_outputs import BaseModelOutputWithPast

NAME = "cache" if "cache" in BaseModelOutputWithPast.__dataclass_fields__ else "past_key_values"


def cache_argument(cache: Any) -> dict[str, Any]:
    """Returns the cache as a keyword argument of a forward pass or of `generate`."""
    return {NAME: cache}


def cache_of(output: Any) -> Any:
    """Returns the cache that a forward pass or `generate` gave back."""
    return getattr(output, NAME)
