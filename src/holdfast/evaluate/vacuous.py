"""Whether a condition can fail at all: `refusal < before - 0.05` cannot where before is 0.00, as no rate is below 0.

A comparison is tried with the extreme value that its left side can have: a share or a p value lies in [0, 1], a count
or a loss is at least 0. Where it does not hold even there, no checkpoint meets the condition, and a pass says nothing.
"""

import math
from collections.abc import Callable

from holdfast.evaluate.condition import Comparison, Condition, Quantity


def why_never_met(condition: Condition, is_share: bool, look_up: Callable[[Quantity], float]) -> str | None:
    """Says why no checkpoint could meet a condition; None where one could.

    Args:
        condition: all of its comparisons have to hold.
        is_share: whether its measure lies in [0, 1].
        look_up: what a quantity is.
    """
    for one in condition.comparisons:
        highest = 1.0 if one.left.name == "p" or (is_share and one.left.end != "unscored") else math.inf
        extreme = highest if ">" in one.operator else 0.0
        if not one.holds(lambda asked, one=one, extreme=extreme: extreme if asked == one.left else look_up(asked)):
            return _reason(one, look_up)
    return None


def _reason(one: Comparison, look_up: Callable[[Quantity], float]) -> str:
    """'before is 0.00, and it would need a value below -0.05'"""
    looked_up = dict.fromkeys(term for _, term in one.terms if isinstance(term, Quantity))
    bar = sum(sign * (look_up(term) if isinstance(term, Quantity) else term) for sign, term in one.terms)
    bounds = {">": "above", ">=": "of at least", "<": "below", "<=": "of at most"}
    value = "p" if one.left.name == "p" else "value"
    needed = f"it would need a {value} {bounds[one.operator]} {bar:.4g}"
    return ", and ".join([*(f"{_name(term)} is {look_up(term):.2f}" for term in looked_up), needed])


def _name(term: Quantity) -> str:
    return term.name if term.end == "value" else f"{term.name}.{term.end}"
