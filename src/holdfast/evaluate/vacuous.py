"""Whether a condition can fail at all: `refusal < before - 0.05` cannot where before is 0.00, as no rate is below 0.

Every reading that the second checkpoint could have (`reach.py`) is tried. Where none meets all comparisons together, no
checkpoint meets the condition, and a pass says nothing.
"""

from collections.abc import Callable, Sequence

from holdfast.evaluate.condition import Comparison, Condition, Quantity
from holdfast.evaluate.reach import Reach
from holdfast.evaluate.scale import counted_word

LookUp = Callable[[Quantity], float]
MOST_CHANGES = 1100
"""2 / 2^1100 is 0 in floating point."""


def why_never_met(condition: Condition, before: object, look_up: LookUp) -> str | None:
    """Says why no checkpoint could meet a condition; None where one could.

    Args:
        condition: all of its comparisons have to hold.
        before: the reading of its measure before.
        look_up: what a quantity is.
    """
    reach = Reach.of(condition.measure, before)
    tests = [one for one in condition.comparisons if one.left.name == "p"]
    readings = [one for one in condition.comparisons if one.left.name != "p"]
    for one in readings:
        if not _values(reach, [one], look_up):
            return _why_alone(one, reach, look_up)
    for one in tests:
        if not any(_met(one, p, look_up) for p in (0.0, 1.0)):
            return _why_alone(one, reach, look_up)
    values = _values(reach, readings, look_up)
    if not values:
        return "no value meets all of its comparisons"
    return _why_p_stays_large(reach, values, tests, look_up) if reach.before else None


def _values(reach: Reach, comparisons: Sequence[Comparison], look_up: LookUp) -> list[float]:
    """The values at which all of these comparisons could be met."""
    return [
        value
        for value in reach.values([one.bar(look_up) for one in comparisons])
        if all(_met(one, reach.most_favourable(value, one), look_up) for one in comparisons)
    ]


def _met(one: Comparison, left: float, look_up: LookUp) -> bool:
    return one.holds(lambda asked: left if asked == one.left else look_up(asked))


def _why_p_stays_large(
    reach: Reach, values: Sequence[float], tests: Sequence[Comparison], look_up: LookUp
) -> str | None:
    """Says that too few prompts can change for p to become small; None where enough can, or p need not be small."""
    small = [one for one in tests if "<" in one.operator]
    changes = max((reach.most_changes(value) for value in values), key=abs)
    enough = (count for count in range(1, MOST_CHANGES) if all(_met(one, 2.0 ** (1 - count), look_up) for one in small))
    needed = next(enough, MOST_CHANGES)
    if not small or abs(changes) >= needed:
        return None
    bar = " and ".join(f"p {one.operator} {one.bar(look_up):.4g}" for one in small)
    return f"{_who_can_change(reach, changes)}, and {bar} needs {needed} that change"


def _who_can_change(reach: Reach, changes: int) -> str:
    """'only 5 of 500 were refused before'; where the values allow fewer changes, how many they allow."""
    scored, word = reach.counted + reach.others, counted_word(reach.measure)
    if changes == -reach.counted:
        return f"only {reach.counted} of {scored} were {word} before"
    if changes == reach.others:
        return f"only {reach.others} of {scored} were not {word} before".replace("not not ", "")
    return f"at most {abs(changes)} of {scored} prompts can change as it asks"


def _why_alone(one: Comparison, reach: Reach, look_up: LookUp) -> str:
    """'before is 0.00, and it would need a value below -0.05'."""
    looked_up = dict.fromkeys(term for _, term in one.terms if isinstance(term, Quantity))
    bounds = {">": "above", ">=": "of at least", "<": "below", "<=": "of at most"}
    needed = f"it would need {_left(one, reach)} {bounds[one.operator]} {one.bar(look_up):.4g}"
    if one.left.end == "unscored" and ">" in one.operator:
        needed += f", and there are {reach.responses} responses"
    elif one.left.end in ("low", "high") and reach.before:
        extreme, limit = (1.0, "at most") if ">" in one.operator else (0.0, "at least")
        needed += f", and with {reach.responses} responses it is {limit} {reach.most_favourable(extreme, one):.4g}"
    return ", and ".join([*(f"{_name(term)} is {_number(term, look_up)}" for term in looked_up), needed])


def _left(one: Comparison, reach: Reach) -> str:
    if one.left.name == "p":
        return "a p"
    return "a value" if one.left.end == "value" else f"{reach.measure}.{one.left.end}"


def _name(term: Quantity) -> str:
    return term.name if term.end == "value" else f"{term.name}.{term.end}"


def _number(term: Quantity, look_up: LookUp) -> str:
    return f"{look_up(term):g}" if term.end == "unscored" else f"{look_up(term):.2f}"
