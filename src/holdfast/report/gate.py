"""Renders a comparison of two checkpoints as tables, as JUnit XML and as Markdown, to decide on a release.

COMPARISON  {"before", "after": files, "models": [NAME|null, NAME|null], "judges": [NAME|null, NAME|null],
             "passed", "verdict": SENTENCE|null, "settings_known", "warnings": [SENTENCE],
             "measures": {"asr": {"before": RATE|number|null, "after", "difference", "change": CHANGE|null,
                                  "paired": PAIRED|null, "corrected_p", "ratio": RATIO|null}},
             "conditions": [{"condition", "passed", "numbers", "prompts": [...], "num_prompts", "by_interval":
                             "fails"|"passes"|"inconclusive"|null, "cannot_fail": WHY|null, "only_p_passed": HOW|null}]}

CHANGE  {"value", "low", "high"}: after minus before, on the same prompts if they were paired
RATIO   {"value", "low", "high", "n", "p_value"}: perplexity after divided by before, on the same exchanges

Names of groups, models, files and prompts are untrusted, so each output escapes them: `printable` for a terminal and
XML, the XML writer in addition, and code spans in Markdown, where markup has no effect.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

from holdfast.differences import Difference
from holdfast.printable import printable
from holdfast.report.perplexity_texts import perplexity_text
from holdfast.report.schema import rate_from
from holdfast.report.tables import CORRECTED_P, NumberTable, p_texts
from holdfast.report.words import measure_words, perplexity_words, rate_words

Comparison = Mapping[str, Any]
NO_NAME = "a model that its file does not name"
PLAIN_NAME = re.compile(r"[^\W_]+(?:(?:, |[ _-])[^\W_]+)*")
"""Matches a name that contains no Markdown."""
WORDS = "measure"
IN_CONDITIONS = "name in conditions"
BY_INTERVAL = (
    "A gate compares the measured rates, unless a condition names .low, .high or p. The last column compares the "
    "interval of the change with the same threshold, whatever p is: fails, passes, or inconclusive if the interval "
    "includes the threshold. More prompts make the interval narrower."
)
FORMER_DECISIONS = {"holds": "fails", "does not hold": "passes"}
"""Words for a decision by the interval in comparisons of earlier versions, with today's words."""
UNKNOWN_SETTINGS = (
    "One of the files does not say which judge, generation settings and suite made it, so the two may not be "
    "comparable; evaluate again with this version to have that checked."
)


def gate_tables(result: Comparison) -> list[NumberTable]:
    """Makes the table of measures and, if there are conditions, the table of their results."""
    header = (WORDS, IN_CONDITIONS, "before", "after", "change [95% interval]", "became / ceased", CORRECTED_P)
    rows = tuple((measure_words(name), name, *_cells(name, measure)) for name, measure in result["measures"].items())
    tables = [NumberTable(_title(result), header, rows, frozenset({4, 5, 6}))]
    checked = tuple(
        (condition["condition"], _word(condition), _by_interval(condition)) for condition in result["conditions"]
    )
    gate = NumberTable("Conditions", ("fails if", "gate", "by its interval"), checked)
    return [*tables, gate] if checked else tables


def narrow(table: NumberTable) -> NumberTable:
    """Makes the table of measures narrow, for a terminal or a log: only names as in conditions, long headers split."""
    if IN_CONDITIONS not in table.header:
        return table
    split = {IN_CONDITIONS: WORDS, "became / ceased": "became /\nceased", CORRECTED_P: "paired p\n(corrected)"}
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
    failures = sum(not condition["passed"] for condition in conditions)
    suites = ElementTree.Element("testsuites")
    skipped = sum(bool(condition["cannot_fail"]) for condition in conditions)
    counts = {"tests": str(len(conditions)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "holdfast compare", **counts})
    for condition in conditions:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "holdfast.compare", "name": printable(condition["condition"])}
        )
        if not condition["passed"]:
            message = printable(f"the condition is met: {condition['numbers']}")
            failure = ElementTree.SubElement(case, "failure", {"message": message})
            failure.text = "\n".join([result["verdict"], message, *_looked_at(result, condition)])
        elif condition["cannot_fail"]:
            ElementTree.SubElement(case, "skipped", {"message": printable(_word(condition))})
        elif condition["only_p_passed"]:
            ElementTree.SubElement(case, "system-out").text = printable(_word(condition))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def render_markdown(result: Comparison) -> str:
    """Renders Markdown for a pull request or a job summary: tables, and the prompts behind each failed condition."""
    conditions = result["conditions"]
    met = [condition for condition in conditions if not condition["passed"]]
    verdict = f": {result['verdict']}" if result["verdict"] else ""
    parts = [f"## holdfast compare{verdict}", "\n".join(_settings(result))]
    parts += [f"Warning: {sentence}" for sentence in result["warnings"]]
    parts += [] if result["settings_known"] else [UNKNOWN_SETTINGS]
    tables = gate_tables(result)
    parts += [_markdown_table(tables[0], _name, _code)]
    parts += [_markdown_table(table, _code) for table in tables[1:]]
    parts += [BY_INTERVAL] if conditions else []
    for condition in met:
        look = f" Look at the answers to {_how_many(condition)} ({_show(result)}):" if condition["prompts"] else ""
        heading = f"Met: {_code(condition['condition'])}.{look}"
        parts += ["\n".join([heading, "", *(f"- {_code(prompt)}" for prompt in condition["prompts"])]).rstrip()]
    return "\n\n".join(parts) + "\n"


def _settings(result: Comparison) -> list[str]:
    """Lists both models with their files, and the judge."""
    models, judges = result["models"], result["judges"]
    lines = [
        f"- {when.capitalize()}: {_code(model) if model else NO_NAME}, from {_code(result[when])}"
        for when, model in zip(("before", "after"), models, strict=True)
    ]
    judge = judges[1] or judges[0]
    nobody = "none, refusals are read by rules" if result["settings_known"] else "not known"
    return [*lines, f"- Judge: {_code(judge) if judge else nobody}"]


def _cells(name: str, measure: Comparison) -> tuple[str, ...]:
    before, after = (_reading(name, measure[when]) for when in ("before", "after"))
    difference, pair, change = measure["difference"], measure["paired"], measure["change"]
    if ratio := measure.get("ratio"):
        times = f"{ratio['value']:.3f} times [{ratio['low']:.3f}, {ratio['high']:.3f}]"
        return before, after, times, "", p_texts(ratio["p_value"], measure["corrected_p"])
    shown = f"{Difference(**change)}" if change else "" if difference is None else f"{difference:+.3g}"
    if pair is None:
        return before, after, shown, "", ""
    flips = f"{pair['only_after']} / {pair['only_before']}"
    return before, after, shown, flips, p_texts(pair["p_value"], measure["corrected_p"])


def _reading(name: str, reading: Mapping[str, Any] | float | None) -> str:
    if reading is None:
        return "not measured"
    if isinstance(reading, Mapping):
        rate = rate_from(reading)
        if name == "perplexity" and rate.value is not None:
            return perplexity_words(rate.value, rate)
        return rate_words(rate)
    return perplexity_text(reading)


def _looked_at(result: Comparison, condition: Comparison) -> list[str]:
    where = printable(f"(holdfast show {result['after']})")
    looked_at = [f"look at the answers to: {printable(prompt)} {where}" for prompt in condition["prompts"]]
    unnamed = condition["num_prompts"] - len(looked_at)
    return [*looked_at, f"and to {unnamed} more"] if unnamed > 0 else looked_at


def _how_many(condition: Comparison) -> str:
    """Writes 'these 3 of 8 prompts that changed', or 'these prompts' if all are listed."""
    shown, changed = len(condition["prompts"]), condition["num_prompts"]
    return f"these {shown} of {changed} prompts that changed" if changed > shown else "these prompts"


def _show(result: Comparison) -> str:
    """Writes the command that shows the answers of the second checkpoint."""
    return _code(f"holdfast show {result['after']}")


def _word(condition: Comparison) -> str:
    if condition["cannot_fail"]:
        return f"cannot fail: {condition['cannot_fail']}"
    if condition["only_p_passed"]:
        return f"passed: {condition['only_p_passed']}"
    return "passed" if condition["passed"] else "FAILED"


def _by_interval(condition: Comparison) -> str:
    """Says what the interval of the change decides: fails, passes or inconclusive. Empty without an interval."""
    decision = condition["by_interval"]
    return FORMER_DECISIONS.get(decision, decision) or ""


def _markdown_table(table: NumberTable, *written: Callable[[str], str]) -> str:
    """Writes a Markdown table with padded columns. `written` are the functions that write the first columns."""
    writers = [*written, *[str] * (len(table.header) - len(written))]
    body = [[write(str(cell)) for write, cell in zip(writers, row, strict=True)] for row in table.rows]
    cells = [table.header, *body]
    rows = [[cell.replace("|", "\\|") for cell in row] for row in cells]  # a bar ends a cell, even in code
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = [
        "-" * (width - 1) + ":" if position in table.numeric else "-" * width for position, width in enumerate(widths)
    ]
    header, *lines = [_line(row, widths, table.numeric) for row in rows]
    return "\n".join([header, _line(rule, widths, table.numeric), *lines])


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Collection[int]) -> str:
    padded = [
        cell.rjust(width) if position in numeric else cell.ljust(width)
        for position, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def _name(text: str) -> str:
    """Writes a name as it is if it contains no Markdown, else as code."""
    return text if PLAIN_NAME.fullmatch(text) else _code(text)


def _code(text: str) -> str:
    """Writes text as code, where Markdown has no effect and sites do not link @names."""
    shown = printable(text).replace("`", "'")  # a backtick would end the code
    return f"`{shown}`" if shown.strip() else "` `"
