"""The units that scores and masks hold, with words for them. Imports no torch, so that tables of files need none."""

from collections.abc import Mapping
from typing import Literal

Granularity = Literal["weight", "neuron", "neuron_by_example"]
"""A neuron is one hidden unit of an MLP. Scores by example have a first dimension of examples."""

UNITS: Mapping[Granularity, str] = {
    "weight": "weights",
    "neuron": "neurons",
    "neuron_by_example": "scores of neurons by example",
}
"""Words for several units."""
