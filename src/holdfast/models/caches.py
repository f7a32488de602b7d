"""Names the argument in which transformers passes a cache of keys and values.

It is `cache`, and `past_key_values` before version 5.24. In newer versions the old name still works, but logs a warning
on every run.
"""

from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils.generic import ModelOutput

NAME = "cache" if "cache" in BaseModelOutputWithPast.__dataclass_fields__ else "past_key_values"


def cache_argument(cache: Cache | None) -> dict[str, Cache | None]:
    """Returns the cache as a keyword argument of a forward pass or of `generate`."""
    return {NAME: cache}


def cache_of(output: ModelOutput) -> Cache:
    """Returns the cache that a forward pass or `generate` gave back."""
    return getattr(output, NAME)
