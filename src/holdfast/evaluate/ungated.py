"""Finds measures that got worse while no condition of a gate names them, such as over-refusal in a gate on refusals.

A measure got worse if its paired p, corrected for all measures, is 0.05 or less. Without a paired test the whole
interval of the change must lie on the side of a loss. A part of a measure, such as a category of prompts, counts only
if the whole did not get worse. The conditions alone decide the gate, so such a loss is a warning.
"""

from collections.abc import Mapping, Sequence

from holdfast.evaluate.compared import Compared
from holdfast.evaluate.condition import Condition
from holdfast.evaluate.counted import LONG_NAMES
from holdfast.evaluate.exact_paired import LEVEL
from holdfast.evaluate.looked_up import reading_words
from holdfast.evaluate.scale import rise_is_good
from holdfast.measure_names import is_rest_of, whole_of, words_and_name
from holdfast.p_values import p_text
from holdfast.printable import printable


def got_worse(measure: Compared) -> bool:
    """True if a loss is shown: by the corrected paired test, or else by the interval of the change."""
    difference, change = measure.difference, measure.change
    is_good = rise_is_good(measure.name)
    if not difference or is_good is None or (difference > 0) == is_good:
        return False
    if measure.corrected_p is not None:
        return measure.corrected_p <= LEVEL
    return change is not None and (change.low > 0 or change.high < 0)


def reads_value(condition: Condition) -> bool:
    """True for a condition on the value of its measure or on the ends of its interval."""
    return any(one.left.name != "p" and one.left.end != "unscored" for one in condition.comparisons)


def ungated_losses(measures: Mapping[str, Compared], conditions: Sequence[Condition]) -> tuple[Compared, ...]:
    """Lists the measures that got worse while no condition reads their value. Empty without any condition."""
    if not conditions:
        return ()
    gated = {LONG_NAMES.get(one.measure, one.measure) for one in conditions if reads_value(one)}
    worse = [name for name, measure in measures.items() if got_worse(measure)]
    return tuple(
        measures[name]
        for name in worse
        if name not in gated
        and whole_of(name, measures) not in worse
        and not any(is_rest_of(name, one) for one in gated)
    )


def sentence_of(loss: Compared) -> str:
    """Describes a loss in one sentence, safe to print."""
    p_value = "" if loss.corrected_p is None else f", paired p {p_text(loss.corrected_p)} corrected"
    numbers = f"{reading_words(loss.before)} before, {reading_words(loss.after)} after{p_value}"
    return printable(f"{words_and_name(loss.name)} got worse and no condition gates it: {numbers}.")
