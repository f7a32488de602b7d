"""Shows a comparison of two checkpoints as tables and as JUnit XML, to decide on a release.

Names of groups, models, files, prompts and responses are untrusted, so each output escapes them: `printable` for a
terminal and XML, the XML writer in addition, and code spans in Markdown (`gate_markdown.py`).
"""

from dataclasses import replace
from xml.etree import ElementTree

from holdfast.measure_names import is_detail, measure_words
from holdfast.outcomes import Rate
from holdfast.p_values import p_text, p_texts
from holdfast.perplexity_texts import perplexity_text, ratio_between
from holdfast.printable import printable
from holdfast.report.comparison import CheckedCondition, ComparedMeasure, Comparison, UngatedLoss
from holdfast.report.interval_figure import number_words
from holdfast.report.tables import CORRECTED_P, NumberTable
from holdfast.report.words import perplexity_words, rate_words

NO_NAME = "a model that its file does not name"
UNWATCHED = "every loss of safety has a condition"
"""Name of the JUnit test case about a loss of safety with which a strict gate does not pass."""
OWN_P = "own p"
MEASURE = "measure"
IN_CONDITIONS = "name in conditions"
ALL_AND_PAIRS = (
    "Rates are those of all scored prompts, and changes those of the prompts that are scored before and after."
)
MORE_IS_BETTER = ("refusal", "coherent_refusal", "utility", "task")
"""Measures that cannot get worse from 0."""
OUTCOMES = {"fails": "FAILED", "passes": "passed", "undecided": "UNDECIDED"}


def gate_tables(result: Comparison) -> list[NumberTable]:
    """Makes the table of measures and, if there are conditions, the table of their results."""
    header = (MEASURE, IN_CONDITIONS, "before", "after", "change [95% interval]", "became / ceased", CORRECTED_P)
    rows = tuple((measure_words(name), name, *_cells(name, measure)) for name, measure in result.measures.items())
    tables = [NumberTable(_title(result), header, rows, frozenset({4, 5, 6}))]
    checked = tuple(
        (condition.condition, *_decided(condition), condition.own_p.partition(",")[0])
        for condition in result.conditions
    )
    columns = ("fails if", "gate", "measured", "at least", "at most", "threshold", OWN_P)
    gate = NumberTable("Conditions", columns, checked, frozenset({2, 3, 4, 5, 6}))
    return [*tables, gate] if checked else tables


def table_notes(result: Comparison) -> list[str]:
    """Explains, below the tables, numbers that seem to contradict each other."""
    differs = any(_pairs_fewer(measure) for measure in result.measures.values())
    return [*([ALL_AND_PAIRS] if differs else []), *_nothing_to_lose(result)]


def _nothing_to_lose(result: Comparison) -> list[str]:
    """Says of which measures the rate was 0 both times, as these numbers look as if nothing had been harmed."""
    names = [name for name, measure in result.measures.items() if name in MORE_IS_BETTER and _stayed_zero(measure)]
    return [f"A measure that was 0 before can show no loss: {', '.join(names)}."] if names else []


def _stayed_zero(measure: ComparedMeasure) -> bool:
    return all(isinstance(reading, Rate) and reading.value == 0 for reading in (measure.before, measure.after))


def _pairs_fewer(measure: ComparedMeasure) -> bool:
    """True if the change of a measure is that of fewer prompts than one of its rates."""
    paired = measure.paired or measure.mean
    rates = [reading for reading in (measure.before, measure.after) if isinstance(reading, Rate)]
    return bool(paired) and any(rate.n != paired.n for rate in rates)


def terminal_tables(result: Comparison) -> list[NumberTable]:
    """Makes the tables for a terminal or a log: without idle details, and with measures named as in conditions."""
    measures, *gate = gate_tables(result)
    split = {IN_CONDITIONS: MEASURE, "became / ceased": "became /\nceased", CORRECTED_P: "paired p\n(corrected)"}
    header = tuple(split.get(name, name) for name in measures.header[1:])
    idle = idle_details(result)
    rows = tuple(row[1:] for row in measures.rows if row[1] not in idle)
    numeric = frozenset(place - 1 for place in measures.numeric)
    return [replace(measures, header=header, rows=rows, numeric=numeric), *gate]


def idle_details(result: Comparison) -> list[str]:
    """Lists the details of other measures that no condition looks at and that are not shown to change."""
    conditions = " ".join(condition.condition for condition in result.conditions)
    details = [name for name in result.measures if is_detail(name, result.measures)]
    return [name for name in details
            if name.partition("/")[0] not in conditions and not _moves(result.measures[name])]  # fmt: skip


def _moves(measure: ComparedMeasure) -> bool:
    """True if the whole interval of a change lies on one side of 0, or if there is no interval to tell."""
    change = measure.lengths or measure.change
    return change is None or not change.low <= 0 <= change.high


def _title(result: Comparison) -> str:
    """Names both models with their files, one line each."""
    named = zip(("before", "after"), sides_words(result), strict=True)
    return "\n".join(printable(f"{when}: {words}") for when, words in named)


def sides_words(result: Comparison) -> list[str]:
    """Names both models, each with its file where it has one."""
    named = zip(result.models, (result.before, result.after), strict=True)
    return [f"{model or NO_NAME}{f' ({file})' if file else ''}" for model, file in named]


def render_junit(result: Comparison) -> str:
    """Renders JUnit XML with one test case per condition, and one per loss of safety that is overlooked.

    The properties of the suite name both models with their files, and its system-err has the warnings. A case that
    passes carries its numbers as output.
    """
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "holdfast compare", "timestamp": result.compared_at})
    _add_properties(suite, result)
    for condition in result.conditions:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "holdfast.compare", "name": printable(condition.condition)}
        )
        _add_outcome(case, result, condition)
    for sentence in result.unwatched:
        case = ElementTree.SubElement(suite, "testcase", {"classname": "holdfast.compare", "name": UNWATCHED})
        ElementTree.SubElement(case, _idle_tag(result), {"message": printable(sentence)})
    if result.warnings:
        ElementTree.SubElement(suite, "system-err").text = "\n".join(map(printable, result.warnings))
    suite.set("tests", str(len(suite.findall("testcase"))))
    for name, tag in {"failures": "failure", "errors": "error", "skipped": "skipped"}.items():
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_properties(suite: ElementTree.Element, result: Comparison) -> None:
    """Names the models, their files and fingerprints, the decision, the exit code, and each ungated loss."""
    properties = ElementTree.SubElement(suite, "properties")
    prints = [one or "not recorded" for one in result.fingerprints]
    names = ("before", "after", "before fingerprint", "after fingerprint", "verdict", "exit code")
    values = (*sides_words(result), *prints, result.verdict or "", str(result.exit_code))
    losses = [("ungated loss", loss_words(one)) for one in result.ungated_losses]
    for name, value in [*zip(names, values, strict=True), *losses]:
        ElementTree.SubElement(properties, "property", {"name": name, "value": printable(value)})


def loss_words(loss: UngatedLoss) -> str:
    """Writes a loss that no condition gates in numbers: 'over_refusal: 0.030 before, 0.620 after, paired p <0.001'."""
    p_value = "" if loss.p_value is None else f", paired p {p_text(loss.p_value)} corrected"
    return f"{loss.measure}: {loss.before:.3f} before, {loss.after:.3f} after{p_value}"


def _add_outcome(case: ElementTree.Element, result: Comparison, condition: CheckedCondition) -> None:
    """Adds a failure, or a reason to skip the case. A condition that cannot be decided fails if the gate then does."""
    if condition.cannot_fail:
        message = printable(f"cannot fail: {condition.cannot_fail}")
        ElementTree.SubElement(case, _idle_tag(result), {"message": message})
        return
    if condition.outcome == "passes":
        ElementTree.SubElement(case, "system-out").text = printable(condition.measured)
        return
    is_met = condition.outcome == "fails"
    why = condition.measured if is_met else f"{condition.measured}; {condition.why_undecided}"
    message = printable(f"{'the condition is met' if is_met else 'these prompts cannot decide'}: {why}")
    if not is_met and result.undecided != "fail":
        ElementTree.SubElement(case, "skipped", {"message": message})
        return
    failure = ElementTree.SubElement(case, "failure", {"message": message, "type": condition.outcome})
    failure.text = "\n".join([message, *(_looked_at(result, condition) if is_met else [])])


def _idle_tag(result: Comparison) -> str:
    """Returns the tag of a case that weakens the gate: an error where the gate therefore is none, else skipped."""
    return "error" if result.exit_code == 2 else "skipped"


def _cells(name: str, measure: ComparedMeasure) -> tuple[str, ...]:
    """Writes both readings, the change, the prompts that became and ceased to count, and the p values."""
    readings, change = (_reading(name, measure.before), _reading(name, measure.after)), measure.change
    of_means = measure.ratio or measure.lengths or measure.mean
    pair = None if of_means else measure.paired
    test = of_means or pair
    p_values = p_texts(test.p_value, measure.corrected_p) if test else ""
    if ratio := measure.ratio:
        value, low, high = ratio_between(ratio.value, ratio.low, ratio.high)
        return *readings, f"{value} times [{low}, {high}]", "", p_values
    difference = "" if measure.difference is None else f"{measure.difference:+.3g}"
    shown = difference if change is None else f"{change:+.1f}" if measure.lengths else f"{change}"
    return *readings, shown, f"{pair.only_after} / {pair.only_before}" if pair else "", p_values


def _reading(name: str, reading: Rate | float | None) -> str:
    if reading is None:
        return "not measured"
    if isinstance(reading, Rate):
        if name == "perplexity" and reading.value is not None:
            return perplexity_words(reading.value, reading)
        return rate_words(reading)
    return perplexity_text(reading)


def _decided(condition: CheckedCondition) -> tuple[str, ...]:
    """Writes the outcome of a condition, the number that decided with its bounds, and the threshold."""
    if condition.cannot_fail:
        return f"cannot fail: {condition.cannot_fail}", "", "", "", ""
    word, bounds = OUTCOMES[condition.outcome], condition.bounds
    if bounds is None:
        return word, "", "", "", ""
    ends = (bounds.value, bounds.low, bounds.high, bounds.bar)
    return word, *(number_words(bounds.scale, end) for end in ends)


def _looked_at(result: Comparison, condition: CheckedCondition) -> list[str]:
    """Says how many prompts changed and where their answers are. Quotes none, because reports are often public."""
    where = printable(f" ({result.show_command})") if result.show_command else ""
    return [f"{condition.moved}; look at the answers{where}"] if condition.num_prompts else []
