"""Describes in words the settings in which two records differ. Needs no torch."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

NAMED = 3
"""Most differences that a sentence names."""


def listed(differing: Sequence[str]) -> str:
    """Joins the first differences, and counts the others."""
    others = f" and {len(differing) - NAMED} more" if len(differing) > NAMED else ""
    return f"{', '.join(differing[:NAMED])}{others}"


def differences(here: object, there: object, *names: str) -> Iterator[str]:
    """Yields 'adapt.learning_rate is 0.001 here and 3e-05 there' for every setting that differs."""
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        for name in {**here, **there}:
            yield from differences(here.get(name), there.get(name), *names, str(name))
    elif here != there and (_is_hash(here) or _is_hash(there)):
        yield f"{'.'.join(names)} has other contents"
    elif here != there:
        yield f"{'.'.join(names)} is {_literal(here)} here and {_literal(there)} there"


def _is_hash(value: object) -> bool:
    """True for a SHA-256 or a list of them, which tells a reader nothing."""
    parts = value if isinstance(value, list | tuple) and value else [value]
    return all(isinstance(part, str) and re.fullmatch("[0-9a-f]{64}", part) for part in parts)


def _literal(value: object) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
