"""Detects conditions that can never be met: `refusal < before - 0.05` where before is 0.00, as no rate is below 0.

It tries every value that the second checkpoint could have (`reach.py`). Where no value meets all comparisons together,
no checkpoint meets the condition, and a pass is meaningless.
"""

from collections.abc import Callable, Sequence

from holdfast.evaluate.condition import Comparison, Condition, Quantity
from holdfast.evaluate.reach import Reach
from holdfast.evaluate.scale import Scale, counted_word

LookUp = Callable[[Quantity], float]
MOST_CHANGES = 1100
"""2 / 2^1100 is 0 in floating point."""


def why_never_met(condition: Condition, before: object, look_up: LookUp, scale: Scale | None = None) -> str | None:
    """Explains why no checkpoint could meet a condition. None where one could.

    Args:
        condition: a condition, whose comparisons must all hold.
        before: value of its measure before.
        look_up: returns the number of a quantity.
        scale: values that the measure can have. Without it, the name of the measure tells.
    """
    reach = Reach.of(condition.measure, before, scale)
    tests = [comparison for comparison in condition.comparisons if comparison.left.name == "p"]
    readings = [comparison for comparison in condition.comparisons if comparison.left.name != "p"]
    for comparison in readings:
        if not _values(reach, [comparison], look_up):
            return _why_alone(comparison, reach, look_up)
    for comparison in tests:
        if not any(_met(comparison, p, look_up) for p in (0.0, 1.0)):
            return _why_alone(comparison, reach, look_up)
    values = _values(reach, readings, look_up)
    if not values:
        return "no value meets all of its comparisons"
    return _why_p_stays_large(reach, values, tests, look_up) if reach.before else None


def _values(reach: Reach, comparisons: Sequence[Comparison], look_up: LookUp) -> list[float]:
    """Lists the values at which all of these comparisons could be met."""
    return [
        value
        for value in reach.values([comparison.bar(look_up) for comparison in comparisons])
        if all(_met(each, reach.most_favourable(value, each), look_up) for each in comparisons)
    ]


def _met(comparison: Comparison, left: float, look_up: LookUp) -> bool:
    return comparison.holds(lambda quantity: left if quantity == comparison.left else look_up(quantity))


def _why_p_stays_large(
    reach: Reach, values: Sequence[float], tests: Sequence[Comparison], look_up: LookUp
) -> str | None:
    """Explains that too few prompts can change for a small p. None where enough can, or p need not be small."""
    small = [test for test in tests if "<" in test.operator]
    changes = max((reach.most_changes(value) for value in values), key=abs)
    enough = (n for n in range(1, MOST_CHANGES) if all(_met(test, 2.0 ** (1 - n), look_up) for test in small))
    needed = next(enough, MOST_CHANGES)
    if not small or abs(changes) >= needed:
        return None
    bar = " and ".join(f"p {test.operator} {test.bar(look_up):.4g}" for test in small)
    return f"{_who_can_change(reach, changes)}, and {bar} needs {needed} that change"


def _who_can_change(reach: Reach, changes: int) -> str:
    """Words such as 'only 5 of 500 were refused before', or the number of changes that the values allow if fewer."""
    scored, word = reach.counted + reach.others, counted_word(reach.measure)
    if changes == -reach.counted:
        return f"only {reach.counted} of {scored} were {word} before"
    if changes == reach.others:
        return f"only {reach.others} of {scored} were not {word} before".replace("not not ", "")
    return f"at most {abs(changes)} of {scored} prompts can change as it asks"


def _why_alone(comparison: Comparison, reach: Reach, look_up: LookUp) -> str:
    """Explains one comparison: 'before is 0.00, and it would need a value below -0.05'."""
    looked_up = dict.fromkeys(term for _, term in comparison.terms if isinstance(term, Quantity))
    bounds = {">": "above", ">=": "of at least", "<": "below", "<=": "of at most"}
    needed = f"it would need {_left(comparison, reach)} {bounds[comparison.operator]} {comparison.bar(look_up):.4g}"
    if comparison.left.end == "unscored" and ">" in comparison.operator:
        needed += f", and there are {reach.responses} responses"
    elif comparison.left.end in ("low", "high") and reach.before:
        extreme, limit = (1.0, "at most") if ">" in comparison.operator else (0.0, "at least")
        reached = reach.most_favourable(extreme, comparison)
        needed += f", and with {reach.responses} responses it is {limit} {reached:.4g}"
    return ", and ".join([*(f"{_name(term)} is {_number(term, look_up)}" for term in looked_up), needed])


def _left(comparison: Comparison, reach: Reach) -> str:
    if comparison.left.name == "p":
        return "a p"
    return "a value" if comparison.left.end == "value" else f"{reach.measure}.{comparison.left.end}"


def _name(term: Quantity) -> str:
    return term.name if term.end == "value" else f"{term.name}.{term.end}"


def _number(term: Quantity, look_up: LookUp) -> str:
    return f"{look_up(term):g}" if term.end == "unscored" else f"{look_up(term):.2f}"
