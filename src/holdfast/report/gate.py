"""Shows a comparison of two checkpoints as tables and as JUnit XML, to decide on a release.

COMPARISON  {"before", "after": files, "models", "fingerprints", "versions", "judges": [TEXT|null, TEXT|null],
             "settings": {WHAT: TEXT}, "passed", "verdict": SENTENCE|null, "undecided": "fail"|"warn"|"pass",
             "settings_known", "warnings": [SENTENCE],
             "measures": {"asr": {"before": RATE|number|null, "after", "difference", "change": CHANGE|null,
                                  "paired": PAIRED|null, "corrected_p", "ratio": RATIO|null, "lengths": MEAN|null,
                                  "mean": MEAN|null, "lost": number of prompts scored before alone}},
             "conditions": [{"condition", "outcome": "fails"|"passes"|"undecided", "passed", "numbers",
                             "prompts": [TEXT], "changed": [CHANGED], "num_prompts", "bounds": BOUNDS|null,
                             "p_fails", "p_passes", "why_undecided": WHY|null, "cannot_fail": WHY|null}],
             "logs": {"program", "matched": WORDS, "samples", "only_before", "only_after"}, left out for evaluations}

CHANGE   {"value", "low", "high"}: after minus before, on the same prompts if they were paired
RATIO    {"value", "low", "high", "n", "p_value"}: perplexity after divided by before, on the same exchanges
MEAN     {"value", "low", "high", "n", "p_value"}: mean after minus before, on the same prompts: of the response length
         (lengths), or of the numbers of a log (mean)
BOUNDS   {"value", "low", "high", "bar", "scale": "change"|"value"|"times", "n", "unit"}: the number that decides
CHANGED  {"prompt", "before", "after": WORD, "responses": [TEXT, TEXT]}

Names of groups, models, files, prompts and responses are untrusted, so each output escapes them: `printable` for a
terminal and XML, the XML writer in addition, and code spans in Markdown (`gate_markdown.py`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

from holdfast.differences import Difference
from holdfast.json_files import record_from
from holdfast.outcomes import Rate
from holdfast.printable import printable
from holdfast.report.perplexity_texts import perplexity_text, ratio_between
from holdfast.report.tables import CORRECTED_P, NumberTable, p_texts
from holdfast.report.words import measure_words, perplexity_words, rate_words

Comparison = Mapping[str, Any]
NO_NAME = "a model that its file does not name"
MEASURE = "measure"
IN_CONDITIONS = "name in conditions"
TWO_METHODS = "Intervals of changes and bounds of conditions come from two methods; the deciding test is the stricter."
ALL_AND_PAIRS = (
    "Rates are those of all scored prompts, and changes those of the prompts that are scored before and after."
)
OUTCOMES = {"fails": "FAILED", "passes": "passed", "undecided": "UNDECIDED"}
FORMS = {"change": "+z.3f", "value": "z.3f", "times": "z.3f"}
UNKNOWN_SETTINGS = (
    "One of the files does not say which judge, generation settings and suite made it, so the two may not be "
    "comparable; evaluate again with this version to have that checked."
)


def gate_tables(result: Comparison) -> list[NumberTable]:
    """Makes the table of measures and, if there are conditions, the table of their results."""
    header = (MEASURE, IN_CONDITIONS, "before", "after", "change [95% interval]", "became / ceased", CORRECTED_P)
    rows = tuple((measure_words(name), name, *_cells(name, measure)) for name, measure in result["measures"].items())
    tables = [NumberTable(_title(result), header, rows, frozenset({4, 5, 6}))]
    checked = tuple((condition["condition"], *_decided(condition)) for condition in result["conditions"])
    columns = ("fails if", "gate", "measured", "at least", "at most", "threshold")
    gate = NumberTable("Conditions", columns, checked, frozenset({2, 3, 4, 5}))
    return [*tables, gate] if checked else tables


def table_notes(result: Comparison) -> list[str]:
    """Explains, below the tables, numbers that seem to contradict each other."""
    differs = any(_pairs_fewer(measure) for measure in result["measures"].values())
    bounded = any(condition["bounds"] for condition in result["conditions"])
    return [*([ALL_AND_PAIRS] if differs else []), *([TWO_METHODS] if bounded else [])]


def _pairs_fewer(measure: Comparison) -> bool:
    """True if the change of a measure is that of fewer prompts than one of its rates."""
    paired = measure["paired"] or measure.get("mean")
    rates = [measure[when] for when in ("before", "after") if isinstance(measure[when], Mapping)]
    return bool(paired) and any(rate["n"] != paired["n"] for rate in rates)


def narrow(table: NumberTable) -> NumberTable:
    """Makes the table of measures narrow, for a terminal or a log: only names as in conditions, long headers split."""
    if IN_CONDITIONS not in table.header:
        return table
    split = {IN_CONDITIONS: MEASURE, "became / ceased": "became /\nceased", CORRECTED_P: "paired p\n(corrected)"}
    header = tuple(split.get(name, name) for name in table.header[1:])
    rows = tuple(row[1:] for row in table.rows)
    return replace(table, header=header, rows=rows, numeric=frozenset(place - 1 for place in table.numeric))


def _title(result: Comparison) -> str:
    """Names both models with their files, one line each."""
    named = zip(("before", "after"), result["models"], strict=True)
    return "\n".join(printable(f"{when}: {model or NO_NAME} ({result[when]})") for when, model in named)


def render_junit(result: Comparison) -> str:
    """Renders JUnit XML with one test case per condition."""
    conditions = result["conditions"]
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "holdfast compare"})
    for condition in conditions:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "holdfast.compare", "name": printable(condition["condition"])}
        )
        _add_outcome(case, result, condition)
    counted = {"tests": "testcase", "failures": "testcase/failure", "errors": "error", "skipped": "testcase/skipped"}
    for name, path in counted.items():
        suite.set(name, str(len(suite.findall(path))))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_outcome(case: ElementTree.Element, result: Comparison, condition: Comparison) -> None:
    """Adds a failure, or a reason to skip the case. A condition that cannot be decided fails if the gate then does."""
    if condition["cannot_fail"]:
        ElementTree.SubElement(case, "skipped", {"message": printable(f"cannot fail: {condition['cannot_fail']}")})
        return
    if condition["outcome"] == "passes":
        return
    is_met = condition["outcome"] == "fails"
    why = condition["numbers"] if is_met else f"{condition['numbers']}; {condition['why_undecided']}"
    message = printable(f"{'the condition is met' if is_met else 'these prompts cannot decide'}: {why}")
    if not is_met and result["undecided"] != "fail":
        ElementTree.SubElement(case, "skipped", {"message": message})
        return
    failure = ElementTree.SubElement(case, "failure", {"message": message, "type": condition["outcome"]})
    failure.text = "\n".join([result["verdict"], message, *(_looked_at(result, condition) if is_met else [])])


def _cells(name: str, measure: Comparison) -> tuple[str, ...]:
    before, after = (_reading(name, measure[when]) for when in ("before", "after"))
    difference, pair, change = measure["difference"], measure["paired"], measure["change"]
    if ratio := measure.get("ratio"):
        value, low, high = ratio_between(ratio["value"], ratio["low"], ratio["high"])
        times = f"{value} times [{low}, {high}]"
        return before, after, times, "", p_texts(ratio["p_value"], measure["corrected_p"])
    shown = f"{Difference(**change)}" if change else "" if difference is None else f"{difference:+.3g}"
    if lengths := measure.get("lengths"):
        return before, after, f"{Difference(**change):+.1f}", "", p_texts(lengths["p_value"], measure["corrected_p"])
    if mean := measure.get("mean"):
        return before, after, shown, "", p_texts(mean["p_value"], measure["corrected_p"])
    if pair is None:
        return before, after, shown, "", ""
    flips = f"{pair['only_after']} / {pair['only_before']}"
    return before, after, shown, flips, p_texts(pair["p_value"], measure["corrected_p"])


def _reading(name: str, reading: Mapping[str, Any] | float | None) -> str:
    if reading is None:
        return "not measured"
    if isinstance(reading, Mapping):
        rate = record_from(Rate, reading)
        if name == "perplexity" and rate.value is not None:
            return perplexity_words(rate.value, rate)
        return rate_words(rate)
    return perplexity_text(reading)


def _decided(condition: Comparison) -> tuple[str, ...]:
    """Writes the outcome of a condition, the number that decided with its bounds, and the threshold."""
    if condition["cannot_fail"]:
        return f"cannot fail: {condition['cannot_fail']}", "", "", "", ""
    word, bounds = OUTCOMES[condition["outcome"]], condition["bounds"]
    if bounds is None:
        return word, "", "", "", ""
    times = " times" * (bounds["scale"] == "times")
    ends = (f"{bounds[name]:{FORMS[bounds['scale']]}}{times}" for name in ("value", "low", "high", "bar"))
    return word, *ends


def _looked_at(result: Comparison, condition: Comparison) -> list[str]:
    where = "" if result.get("logs") else printable(f" (holdfast show {result['after']})")
    looked_at = [f"look at the answers to: {printable(prompt)}{where}" for prompt in condition["prompts"]]
    unnamed = condition["num_prompts"] - len(looked_at)
    return [*looked_at, f"and to {unnamed} more"] if unnamed > 0 else looked_at
