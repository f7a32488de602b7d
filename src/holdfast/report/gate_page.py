"""Renders a comparison of two checkpoints and its gate as one page, without script or requests.

Names of groups, models, files, prompts and responses are untrusted. The template escapes all, and `printable` spells
out control characters.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast import __version__
from holdfast.counts import agreeing, counted
from holdfast.measure_names import is_category, is_detail, measure_words
from holdfast.outcomes import Rate
from holdfast.printable import printable
from holdfast.report.arms import MARKERS, Arm, is_length, is_perplexity
from holdfast.report.comparison import ChangedPrompt, CheckedCondition, ComparedMeasure, Comparison, ConditionBounds
from holdfast.report.forests import Forest, forest
from holdfast.report.gate import NO_NAME, gate_tables, table_notes
from holdfast.report.gate_markdown import RULE
from holdfast.report.gate_settings import COMMAND, SHOWN, GateSettings
from holdfast.report.gate_steps import meaning, next_steps, not_gated, not_gated_measures
from holdfast.report.gate_story import with_what_happened
from holdfast.report.interval_figure import IntervalFigure, interval_figure, number_words
from holdfast.report.overshoot import counts_over_refusal
from holdfast.report.page import environment
from holdfast.report.records import Judges, Suite
from holdfast.report.tables import NumberTable
from holdfast.spelling import capitalize_first

FEWEST_DIGITS = 12
"""Digits of a fingerprint that are shown at the top. As many pin a model."""
KINDS = {"fails": ("failed", "fails"), "passes": ("passed", "holds"), "undecided": ("undecided", "unsure")}
"""Word and style class of each outcome."""


@dataclass(frozen=True)
class ShownCondition:
    """A condition of the gate in words, with its figure and the prompts to look at."""

    condition: str
    word: str
    kind: str
    """Style class: holds, fails, unsure or open."""
    sentences: tuple[str, ...]
    measure: str
    numbers: str
    range: str
    """The number that decided with its range. Empty where there is none."""
    figure: IntervalFigure | None
    changed: tuple[ChangedPrompt, ...]
    """Prompts that are listed with both responses."""


def render_gate_page(
    result: Comparison, responses: int = 0, judges: Judges | None = None, settings: GateSettings = COMMAND
) -> str:
    """Renders the page: the verdict, each condition, what to do next, all measures, and what was compared.

    Args:
        result: the comparison.
        responses: number of changed prompts that are listed with both responses, for each condition that did not pass.
            They may be harmful, so the default is none. A condition on over-refusal lists its prompts anyway, because
            they are safe.
        judges: cards of the judges and rates corrected for their errors.
        settings: words for the settings that the page advises.
    """
    measures, *_ = gate_tables(result)
    template = environment().get_template("gate.html.j2")
    return template.render(
        heading=heading(result),
        kind=_kind(result),
        meaning=meaning(result),
        named=_named(result),
        warnings=[*map(printable, result.warnings)],
        conditions=[_shown(result, condition, responses, settings) for condition in result.conditions],
        next_steps=[printable(step) for step in next_steps(result, settings)],
        not_gated=printable(not_gated(result)) if result.conditions else "",
        not_gated_measures=[one for one in not_gated_measures(result) if result.conditions],
        rule=RULE,
        forests=_forests(result),
        table=_printable(measures),
        notes=table_notes(result),
        sides=_sides(result),
        settings=_settings(result),
        judges=judges,
        judge_table=judges and judges.rows and NumberTable("Corrected rates", judges.header, judges.rows),
        markers=MARKERS,
        version=__version__,
    )  # fmt: skip


def heading(result: Comparison) -> str:
    """Says the verdict and the exit code in one sentence."""
    verdict = result.verdict or "two checkpoints are compared, and nothing is gated"
    if result.exit_code == 1:
        verdict = with_what_happened(result, verdict)
    return f"{capitalize_first(printable(verdict))} (exit code {result.exit_code})."


def _kind(result: Comparison) -> str:
    """Returns the style class of the verdict: holds, fails, unsure, or open where nothing is gated."""
    return {0: "holds", 1: "fails"}.get(result.exit_code, "unsure") if result.conditions else "open"


def _shown(result: Comparison, condition: CheckedCondition, responses: int, settings: GateSettings) -> ShownCondition:
    word, kind = ("cannot fail", "open") if condition.cannot_fail else KINDS[condition.outcome]
    bounds = None if condition.cannot_fail else condition.bounds
    name = f"{measure_words(condition.measure)}: {bounds and _bounds_words(bounds)}"
    number = max(responses, SHOWN) if counts_over_refusal(condition.measure) else responses
    listed = condition.changed[:number] if kind in ("fails", "unsure") else ()
    return ShownCondition(
        printable(condition.condition),
        word,
        kind,
        tuple(printable(sentence) for sentence in _sentences(result, condition, len(listed), settings)),
        printable(condition.measure),
        printable(condition.measured),
        _range_words(bounds) if bounds else "",
        bounds and interval_figure(printable(name), bounds),
        listed,
    )


def _named(result: Comparison) -> list[tuple[str, str, str]]:
    """Names both sides for the top of the page: the model, and its file with the first digits of its fingerprint."""
    columns = (result.models, (result.before, result.after), result.fingerprints)
    named = []
    for when, model, file, fingerprint in zip(("Before", "After"), *columns, strict=True):
        origin = [file, fingerprint and f"fingerprint {fingerprint[:FEWEST_DIGITS]}"]
        named.append((when, printable(model or NO_NAME), printable(" · ".join(filter(None, origin)))))
    return named


def _range_words(bounds: ConditionBounds) -> str:
    """Writes the number that decided with its range in short."""
    value, low, high = (number_words(bounds.scale, number) for number in (bounds.value, bounds.low, bounds.high))
    return f"{'change ' if bounds.scale == 'change' else ''}{value}, at least {low}, at most {high}"


def _bounds_words(bounds: ConditionBounds) -> str:
    """Writes the numbers of a figure for readers who cannot see it."""
    names = ("measured", "at least", "at most", "threshold")
    numbers = (bounds.value, bounds.low, bounds.high, bounds.bar)
    return ", ".join(
        f"{name} {number_words(bounds.scale, number)}" for name, number in zip(names, numbers, strict=True)
    )


def _sentences(result: Comparison, condition: CheckedCondition, listed: int, settings: GateSettings) -> Iterator[str]:
    """Says what a condition came to, and how many prompts changed."""
    if condition.cannot_fail:
        yield f"Whatever the new model does, this condition cannot fail: {condition.cannot_fail}."
        return
    words, bounds = capitalize_first(measure_words(condition.measure)), condition.bounds
    if condition.outcome == "undecided":
        yield f"These prompts cannot decide it: {condition.why_undecided}."
    elif bounds is None:
        yield f"{words}: the condition is {'met' if condition.outcome == 'fails' else 'not met'}."
    else:
        yield from _decided(words, condition.outcome, bounds)
    if condition.outcome != "passes" and condition.num_prompts:
        yield _looked_at(result, condition, listed, settings)


def _decided(words: str, outcome: str, bounds: ConditionBounds) -> Iterator[str]:
    """Writes the number that decided, its range, and the side of the threshold on which the range lies."""
    what = "change" if bounds.scale == "change" else "value after"
    value, low, high, bar = (
        number_words(bounds.scale, number) for number in (bounds.value, bounds.low, bounds.high, bounds.bar)
    )
    of_before = " that before" if bounds.scale == "times" else ""
    yield f"{words}: the {what} is {value}{of_before}, at least {low} and at most {high}."
    side = "above" if bounds.rising == (outcome == "fails") else "below"
    yield (
        f"The whole range lies {side} the threshold of {bar}, so the condition is "
        f"{'met' if outcome == 'fails' else 'not met'}."
    )


def _looked_at(result: Comparison, condition: CheckedCondition, listed: int, settings: GateSettings) -> str:
    changed, which = condition.num_prompts, condition.which
    if listed:
        of_them = f" of {changed}" if changed > listed else ""
        begun = f"Below {agreeing(listed, 'is', 'are')} {counted(listed, 'prompt')}"
        return f"{begun}{of_them} {which}, with both responses."
    shows = f"`{result.show_command}` shows some responses, and " if result.show_command else ""
    return (
        f"{condition.moved}. This page lists none, because they may be harmful: {shows}"
        f"{settings.responses} lists up to {SHOWN} here."
    )


def _forests(result: Comparison) -> list[Forest]:
    """Draws each measure before and after, apart from details, categories and numbers that no axis here fits."""
    arms = _arms(result)
    shown = [name for name in result.measures if not is_detail(name, result.measures) and not is_category(name)]
    drawn = [forest(arms, name) for name in shown if _fits_an_axis(name, result.measures[name])]
    return [figure for figure in drawn if figure is not None]


def _arms(result: Comparison) -> list[Arm]:
    """Makes two rows of every figure: before and after."""
    suites = []
    for side in ("before", "after"):
        readings = {name: getattr(measure, side) for name, measure in result.measures.items()}
        rates = {name: reading for name, reading in readings.items() if isinstance(reading, Rate)}
        whole = readings.get("perplexity")
        suites.append(Suite(rates, whole.value if isinstance(whole, Rate) else whole))
    pairs = {name: measure.paired for name, measure in result.measures.items() if measure.paired}
    corrected = {name: p for name in pairs if (p := result.measures[name].corrected_p) is not None}
    after = Suite(suites[1].rates, suites[1].perplexity, pairs)
    return [Arm("start", "before", suites[0]), Arm("top", "after", after, corrected)]


def _fits_an_axis(name: str, measure: ComparedMeasure) -> bool:
    """True for shares, perplexities and lengths. Other numbers, such as a divergence, are only in the table."""
    if is_perplexity(name) or is_length(name):
        return True
    rates = [reading for reading in (measure.before, measure.after) if isinstance(reading, Rate)]
    return all(0 <= number <= 1 for rate in rates for number in (rate.value, rate.low, rate.high) if number is not None)


def _printable(table: NumberTable) -> NumberTable:
    """Names the table for the page, and spells out control characters."""
    rows = tuple(tuple(printable(str(cell)) for cell in row) for row in table.rows)
    return NumberTable("All measures, before and after", table.header, rows, table.numeric)


def _sides(result: Comparison) -> list[tuple[str, list[tuple[str, str]]]]:
    """Lists the name, fingerprint, file and version of both sides."""
    columns = (result.models, result.fingerprints, (result.before, result.after), result.versions)
    sides = []
    for when, model, *known in zip(("Before", "After"), *columns, strict=True):
        rows = [("model", model or NO_NAME), *zip(("fingerprint", "file", "holdfast"), known, strict=True)]
        sides.append((when, [(name, printable(value)) for name, value in rows if value]))
    return sides


def _settings(result: Comparison) -> list[tuple[str, str]]:
    """Lists the judge and the settings that both sides share, or how the samples of two logs match."""
    if logs := result.logs:
        rows = {"program": logs.program, "samples": logs.matched}
    else:
        judge = result.judges[1] or result.judges[0]
        nobody = "none, refusals are read by rules" if result.settings_known else "not known"
        rows = {"judge": judge or nobody, **result.settings}
    return [("compared at", result.compared_at), *((name, printable(text)) for name, text in rows.items())]
