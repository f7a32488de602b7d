"""Checks of the numbers that say how far an edit or steering goes, before torch or a model is loaded."""

import math
from collections.abc import Sequence

from holdfast.arguments import require_number


def require_scale(scale: object) -> None:
    """Raises ValueError for a scale that is not finite, negative, or 1, which changes nothing."""
    if not isinstance(scale, int | float) or not math.isfinite(scale) or scale < 0:
        raise ValueError(f"the scale must be 0 or more, got {scale!r}; 0 erases, and more than 1 strengthens.")
    if scale == 1:
        raise ValueError("a scale of 1 changes nothing; give 0 to erase, or more than 1 to strengthen.")


def require_coefficient(coefficient: object) -> None:
    """Raises ValueError for a coefficient of steering that is no finite number, or 0, which changes nothing."""
    if not isinstance(coefficient, int | float) or not math.isfinite(coefficient):
        raise ValueError(f"the coefficient must be a finite number, got {coefficient!r}; 0.5 is half a state's length.")
    if coefficient == 0:
        raise ValueError(
            "a coefficient of 0 changes nothing; give another, such as 0.2, and as the control measure the model "
            "without steering."
        )


def require_coefficients(coefficients: Sequence[object]) -> None:
    """Raises ValueError where there is no coefficient of steering, one is repeated, or one can't be used."""
    for one in coefficients:
        require_coefficient(one)
    if not coefficients or len(set(coefficients)) < len(coefficients):
        raise ValueError(
            f"coefficients are {list(coefficients)}; give one or more different numbers, such as 0.5 and -0.5."
        )


def require_strength(coefficient: object) -> None:
    """Raises ValueError for the coefficient of a lasting edit that is no number, not finite, or not above 0."""
    if isinstance(coefficient, int | float) and not isinstance(coefficient, bool) and coefficient <= 0:
        raise ValueError(
            f"the coefficient must be above 0, got {coefficient:g}; an edit only strengthens what the direction stands "
            "for, and `holdfast direction steer` measures the other way without changing a weight."
        )
    require_number("coefficient", coefficient, above=0)
