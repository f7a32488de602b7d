"""Detects inverted conditions: `refusal > before - 0.05` fails on a gain, and passes where every refusal is lost.

An inverted condition is an error in a setting, whatever the two evaluations hold. Only a negative control has a use for
one: a checkpoint that was damaged on purpose must lose refusals. `allow_inverted` allows it.
"""

from collections.abc import Iterable

from holdfast.evaluate.condition import Comparison, Condition
from holdfast.evaluate.scale import rise_is_good
from holdfast.printable import printable


def refuse_inverted(conditions: Iterable[Condition], allowed_by: str | None = "allow_inverted=True") -> None:
    """Raises ValueError when only a gain can meet a condition: the gate would pass whatever is lost.

    Args:
        conditions: the conditions of a gate.
        allowed_by: words for the argument or option that allows such a condition. None where nothing does.
    """
    allowed = f", or give {allowed_by} if the gate must fail a gain" if allowed_by else ""
    for sentence in filter(None, map(warning_of_inverted, conditions)):
        raise ValueError(printable(f"{sentence} Turn it round{allowed}."))


def warning_of_inverted(condition: Condition) -> str | None:
    """Returns a warning for a condition that only a gain can meet. None where a loss can, or neither side is better."""
    if any(one.left.name == "p" and ">" in one.operator for one in condition.comparisons):
        return (
            f"{condition.text!r} asks for a large p, and a clear loss has a small one, so it would fail for weak "
            "evidence alone; a condition on p says how small it must be, such as 'p < 0.05'."
        )
    compared = [one for one in condition.comparisons if one.left.name != "p"]
    good = rise_is_good(condition.measure)
    if good is None or any(_asks_for_loss(one, good) for one in compared):
        return None
    gain, loss = ("rises", "<") if good else ("falls", ">")
    if compared[0].left.end == "unscored":
        gain, loss = "falls", ">"
    name = condition.measure if compared[0].left.end == "value" else f"{condition.measure}.{compared[0].left.end}"
    return (
        f"{condition.text!r} fails the gate where {name} {gain}, which is a gain, and passes where it gets worse; "
        f"a condition says when the gate fails, such as '{name} {loss} ...'."
    )


def _asks_for_loss(one: Comparison, good: bool) -> bool:
    rising_is_good = good and one.left.end != "unscored"
    return (">" in one.operator) != rising_is_good
