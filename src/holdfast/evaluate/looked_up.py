"""Looks up what a condition names: its measure, and the numbers of both readings. A missing one is an error."""

from collections.abc import Mapping, Sequence

from holdfast.evaluate.compared import Compared, Reading
from holdfast.evaluate.condition import Condition, Quantity
from holdfast.evaluate.condition_mistakes import nearest_end
from holdfast.evaluate.counted import LONG_NAMES
from holdfast.evaluate.scale import counted_word
from holdfast.measure_names import PROMPT_SETS, WORDS, place_of
from holdfast.outcomes import Rate
from holdfast.p_values import p_words
from holdfast.printable import printable
from holdfast.shares import percentage_advice
from holdfast.spelling import meant, quoted

NO_CONDITION = ("degenerate", "cut_off", "kl", "perplexity_ratio")
MEASURES = tuple(name for name in WORDS if "/" not in name and name not in NO_CONDITION)
"""Measures that a condition may name though neither file has them. The error then says how to measure them."""


OVER_REFUSALS = {
    "over_refusal": "harmless prompts",
    "borderline": "borderline prompts",
    "over_refusal/questions": "questions",
}
"""Measures of over-refusal, with the prompts of each."""


def find_measure(condition: Condition, measures: Mapping[str, Compared]) -> Compared:
    """Finds a condition's measure.

    Raises:
        ValueError: the name is unknown, the measure is missing, or a share is compared with a percentage.
    """
    name = LONG_NAMES.get(condition.measure, condition.measure)
    known = sorted({*MEASURES, *measures}, key=place_of)
    if name.startswith("kl/") and not any(one.startswith("kl/") for one in known):
        raise ValueError(
            f"the condition {condition.text!r} asks for {name!r}, which was not measured; evaluate both checkpoints "
            "with `holdfast evaluate --reference MODEL`."
        )
    if name == "perplexity_ratio":
        raise ValueError(
            f"the condition {condition.text!r} asks for a ratio of perplexities; write it as 'perplexity > before * "
            "1.5', which fails if perplexity rose by more than half."
        )
    if name not in known:
        _refuse_end(condition, name, known)
        raise ValueError(
            f"the condition {condition.text!r} names an unknown measure {name!r}; {printable(meant(name, known))}, "
            "each with .low, .high and .unscored."
        )
    measure = measures.get(name, Compared(name, None, None))
    _require_both(condition, measure, measures)
    if measure.known_scale[:2] == (0.0, 1.0):
        refuse_number_above_one(condition)
    return measure


def _refuse_end(condition: Condition, name: str, known: Sequence[str]) -> None:
    """Raises ValueError for a known measure with an unknown end, such as refusal.hi."""
    measure, _, end = name.rpartition(".")
    if measure in known and (meant_end := nearest_end(end)):
        raise ValueError(
            f"the condition {condition.text!r} names an unknown end {f'.{end}'!r} of {measure}; did you mean "
            f"{measure}.{meant_end}? known: .low, .high and .unscored."
        )


def _require_both(condition: Condition, measure: Compared, measures: Mapping[str, Compared]) -> None:
    for reading, which in ((measure.before, "before"), (measure.after, "after")):
        if reading is None:
            both = _in_both(measures)
            shared = printable(", ".join(map(quoted, both)))
            others = f"or ask for a measure of both: {shared}" if shared else "as the two have no measure in common"
            raise ValueError(
                f"the condition {condition.text!r} asks for {measure.name!r}, which was not measured {which}; "
                f"{_instead(measure.name, measures)}{_needs(measure.name)}, {others}."
            )


def _instead(name: str, measures: Mapping[str, Compared]) -> str:
    """Suggests a measured over-refusal in place of one on prompts of another kind. Empty where there is none."""
    kind = LONG_NAMES.get(name, name).partition("/")[0]
    alike = [one for one in OVER_REFUSALS if kind in OVER_REFUSALS and one != name and _is_in_both(measures.get(one))]
    told = " and ".join(f"{one!r} (over-refusal of {OVER_REFUSALS[one]})" for one in alike)
    return f"both measured {told}, so ask for that, or " if told else ""


def refuse_number_above_one(condition: Condition) -> None:
    """Raises ValueError when a share is compared with a number above 1, which would make a gate that never fails."""
    for one in condition.comparisons:
        numbers = [abs(term) for _, term in one.terms if isinstance(term, float)]
        if one.left.end != "unscored" and max(numbers, default=0.0) > 1:
            raise ValueError(
                f"the condition {condition.text!r} compares a share, which is at most 1, with {max(numbers):g}; "
                f"write {percentage_advice(max(numbers)) or '1% as 0.01'}."
            )


def _needs(name: str) -> str:
    """Advice on how to measure a missing measure."""
    if name.startswith("asr"):
        return "evaluate both checkpoints with a judge that says safe or unsafe, on harmful prompts"
    if name.startswith(("coheren", "response_length")):
        return "evaluate both checkpoints again, as earlier versions did not measure it"
    of_set = f" ({PROMPT_SETS[name]})" if name in PROMPT_SETS else ""
    return f"evaluate both checkpoints on a suite that has its prompts{of_set}"


def _in_both(measures: Mapping[str, Compared]) -> list[str]:
    """Lists the measures that both checkpoints have, without groups."""
    return [name for name, one in measures.items() if "/" not in name and _is_in_both(one)]


def _is_in_both(measure: Compared | None) -> bool:
    return measure is not None and None not in (measure.before, measure.after)


def number_of(condition: Condition, asked: Quantity, measure: Compared) -> float:
    """Looks up a quantity.

    Raises:
        ValueError: it has no value. So a failed measurement passes no gate.
    """
    if asked.name == "p":
        number, what = measure.p_value, "paired p"
    else:
        reading, which = (measure.before, "before") if asked.name == "before" else (measure.after, "after")
        number = (
            reading if asked.end == "value" and not isinstance(reading, Rate) else getattr(reading, asked.end, None)
        )
        what = f"{'value' if asked.end == 'value' else '.' + asked.end} {which}"
    if number is None:
        if asked.name != "p" and all(_is_empty(one) for one in (measure.before, measure.after)):
            what = "value before or after"
        raise ValueError(
            f"the condition {condition.text!r} cannot be decided, as there is no {what}: "
            f"{printable(numbers_of(measure))}; evaluate again, or ask for what was measured."
        )
    return float(number)


def _is_empty(reading: Reading | None) -> bool:
    return reading is None or (isinstance(reading, Rate) and reading.value is None)


def numbers_of(measure: Compared) -> str:
    """Writes both readings, and the number of prompts that changed."""
    return "; ".join(filter(None, (readings_of(measure), paired_numbers_of(measure))))


def readings_of(measure: Compared) -> str:
    """Writes both readings with their intervals."""
    return f"{measure.name} was {reading_words(measure.before)} and is {reading_words(measure.after)}"


def change_of(measure: Compared) -> str:
    """Writes both readings in short, as in 'asr rose from 0.000 to 0.120'."""
    ends = [one.value if isinstance(one, Rate) else one for one in (measure.before, measure.after)]
    before, after = ends
    if before is None or after is None:
        return f"{measure.name} has no value before or after"
    if before == after:
        return f"{measure.name} stayed at {_short(after)}"
    return f"{measure.name} {'rose' if after > before else 'fell'} from {_short(before)} to {_short(after)}"


def _short(number: float) -> str:
    return f"{number:.3f}" if abs(number) < 10 else f"{number:.6g}"


def paired_numbers_of(measure: Compared) -> str:
    """Writes the change on the same prompts with its paired p. Empty where nothing was paired."""
    if ratio := measure.ratio:
        text = f"{ratio.value:.3f} times [{ratio.low:.3f}, {ratio.high:.3f}] on the same {ratio.n} exchanges"
        return f"{text}, {p_words(ratio.p_value, measure.corrected_p)}"
    if mean := measure.lengths:
        text = f"{mean.value:+.1f} [{mean.low:+.1f}, {mean.high:+.1f}] tokens on the same {mean.n} prompts"
        return f"{text}, {p_words(mean.p_value, measure.corrected_p)}"
    if mean := measure.mean:
        text = f"on the same {mean.n} samples the mean changed by {measure.change}"
        return f"{text}, {p_words(mean.p_value, measure.corrected_p)}"
    if measure.paired is None:
        return ""
    pair = measure.paired
    return (
        f"of {pair.n} prompts scored under both {pair.only_after} became {counted_word(measure.name)} and "
        f"{pair.only_before} ceased to be, {p_words(pair.p_value, measure.corrected_p)}"
    )


def reading_words(reading: Reading | None) -> str:
    """Writes a rate with its interval, or a number."""
    if reading is None:
        return "not measured"
    return f"{reading:.3f}" if isinstance(reading, Rate) else f"{reading:.6g}"
