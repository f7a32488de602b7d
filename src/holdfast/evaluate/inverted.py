"""A condition the wrong way about: `refusal > before - 0.05` fails a gain, and passes where every refusal is lost.

It is refused as a mistake in a setting, whatever the two evaluations hold. A negative control has a use for it: a
checkpoint that was damaged on purpose must lose refusals. Whoever wants that says so (`allow_inverted`).
"""

from collections.abc import Iterable

from holdfast.evaluate.condition import Comparison, Condition
from holdfast.evaluate.scale import rise_is_good
from holdfast.printable import printable


def refuse_inverted(conditions: Iterable[Condition]) -> None:
    """Raises ValueError when only a gain can meet a condition: the gate would pass whatever is lost."""
    for sentence in filter(None, map(warning_of_inverted, conditions)):
        raise ValueError(printable(f"{sentence} Turn it round, or give --allow-inverted if the gate must fail a gain."))


def warning_of_inverted(condition: Condition) -> str | None:
    """Warns of a condition that only a gain can meet; None where a loss can, or which way is better is not known."""
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
