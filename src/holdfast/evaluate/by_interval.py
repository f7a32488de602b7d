"""Decides a gate's condition by the interval of a measure or of its change, by the one rule of `decision.py`.

fails         the whole interval meets the condition
passes        the whole interval lies on the other side of the bar
inconclusive  the interval includes the bar
"""

from typing import Literal

from holdfast.decision import Decision, Interval, decide
from holdfast.evaluate.compared import Compared, Reading
from holdfast.evaluate.condition import Condition, Quantity
from holdfast.outcomes import Rate

IntervalDecision = Literal["fails", "passes", "inconclusive"]
WORDS: dict[Decision, IntervalDecision] = {
    "holds": "fails",  # a condition that holds fails the gate
    "does not hold": "passes",
    "inconclusive": "inconclusive",
}


def decide_by_interval(condition: Condition, measure: Compared) -> IntervalDecision | None:
    """Decides a condition without its p by the rule of all claims: the interval of a measure or change and a bar."""
    one, *others = (one for one in condition.comparisons if one.left.name != "p")
    if others or one.left.end != "value":
        return None
    bar = sum(sign * term for sign, term in one.terms if isinstance(term, float))
    looked_up = [(sign, term) for sign, term in one.terms if isinstance(term, Quantity)]
    if not looked_up:
        interval = _interval(measure.after)
    elif looked_up == [(1, Quantity("before"))]:
        interval = _change_interval(measure)
    else:
        return None
    if interval is None:
        return None
    return WORDS[decide(interval, bar, claimed="above" if ">" in one.operator else "below")]


def _change_interval(measure: Compared) -> Interval | None:
    """Interval of after minus before. For perplexity it is the ratio's interval minus 1, times the value before."""
    if measure.ratio and isinstance(measure.before, Rate) and measure.before.value is not None:
        return measure.before.value * (measure.ratio.low - 1), measure.before.value * (measure.ratio.high - 1)
    return measure.change and measure.change.interval


def _interval(reading: Reading | None) -> Interval | None:
    if not isinstance(reading, Rate) or reading.low is None or reading.high is None:
        return None
    return reading.low, reading.high
