"""The units that scores and masks hold, with words for them. Imports no torch, so that tables of files need none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

Granularity = Literal["weight", "neuron", "neuron_by_example"]
"""A neuron is one hidden unit of an MLP. Scores by example have a first dimension of examples."""

UNITS: Mapping[Granularity, str] = {
    "weight": "weights",
    "neuron": "neurons",
    "neuron_by_example": "scores of neurons by example",
}
"""Words for several units."""


def units_entry(granularity: Granularity) -> dict[str, object]:
    """Returns the entry of a file's header for its units. Files of weights have none, as those of earlier versions."""
    return {} if granularity == "weight" else {"granularity": granularity}


def units_of(path: Path, header: Mapping[str, object]) -> Granularity:
    """Reads the units of scores or a mask. Raises ValueError for units that only a later version knows."""
    name = header.get("granularity", "weight")
    if name not in UNITS:
        raise ValueError(
            f"{str(path)!r} holds {name!r}, which this version of holdfast does not know; it knows {', '.join(UNITS)}."
        )
    return cast(Granularity, name)
