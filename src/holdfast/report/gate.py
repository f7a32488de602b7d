"""A comparison of two checkpoints for whoever decides on a release: a terminal, a pull request, a build server.

COMPARISON  {"before", "after": files, "models": [NAME|null, NAME|null], "judges": [NAME|null, NAME|null],
             "passed", "verdict": SENTENCE|null, "settings_known", "warnings": [SENTENCE],
             "measures": {"asr": {"before": RATE|number|null, "after", "difference", "change": CHANGE|null,
                                  "paired": PAIRED|null, "corrected_p", "ratio": RATIO|null}},
             "conditions": [{"condition", "passed", "numbers", "prompts": [...], "num_prompts", "by_interval":
                             DECISION|null, "cannot_fail": WHY|null, "only_p_passed": HOW|null}]}

CHANGE  {"value", "low", "high"}: after less before, on the same prompts where they were paired
RATIO   {"value", "low", "high", "n", "p_value"}: of perplexity, after over before on the same exchanges

Names of groups, models, files and prompts are hostile until escaped, each where it is written: for a terminal and XML
by `printable`, for XML besides by its writer, for Markdown by standing in code, where nothing means anything.
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
"""A name in which nothing could mean anything to Markdown."""
WORDS = "measure"
IN_CONDITIONS = "name in conditions"
BY_INTERVAL = (
    "A gate compares the measured rates, unless a condition names .low, .high or p. The last column says what the "
    "interval of the change says of the same threshold, whatever p is: fails, passes, or inconclusive if the interval "
    "includes the threshold. More prompts make the interval narrower."
)
UNKNOWN_SETTINGS = (
    "One of the files does not say which judge, generation and suite made it, so it is not known whether both were "
    "made alike; evaluate again to have that checked."
)


def gate_tables(result: Comparison) -> list[NumberTable]:
    """The measures and, where there are conditions, what came of them."""
    header = (WORDS, IN_CONDITIONS, "before", "after", "change [95% interval]", "became / ceased", CORRECTED_P)
    rows = tuple((measure_words(name), name, *_cells(name, measure)) for name, measure in result["measures"].items())
    tables = [NumberTable(_title(result), header, rows, frozenset({4, 5, 6}))]
    checked = tuple((one["condition"], _word(one), _by_interval(one)) for one in result["conditions"])
    gate = NumberTable("Conditions", ("fails if", "gate", "by its interval"), checked)
    return [*tables, gate] if checked else tables


def narrow(table: NumberTable) -> NumberTable:
    """The table of measures for a terminal or a log: by their names in conditions alone, with long headers split."""
    if IN_CONDITIONS not in table.header:
        return table
    split = {IN_CONDITIONS: WORDS, "became / ceased": "became /\nceased", CORRECTED_P: "paired p\n(corrected)"}
    header = tuple(split.get(name, name) for name in table.header[1:])
    rows = tuple(row[1:] for row in table.rows)
    return replace(table, header=header, rows=rows, numeric=frozenset(place - 1 for place in table.numeric))


def _title(result: Comparison) -> str:
    """Both models with their files, a line each."""
    named = zip(("before", "after"), result["models"], strict=True)
    return "\n".join(printable(f"{when}: {model or NO_NAME} ({result[when]})") for when, model in named)


def render_junit(result: Comparison) -> str:
    """JUnit XML: one test case a condition."""
    conditions = result["conditions"]
    failures = sum(not one["passed"] for one in conditions)
    suites = ElementTree.Element("testsuites")
    skipped = sum(bool(one["cannot_fail"]) for one in conditions)
    counts = {"tests": str(len(conditions)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "holdfast compare", **counts})
    for one in conditions:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "holdfast.compare", "name": printable(one["condition"])}
        )
        if not one["passed"]:
            message = printable(f"the condition is met: {one['numbers']}")
            failure = ElementTree.SubElement(case, "failure", {"message": message})
            failure.text = "\n".join([result["verdict"], message, *_looked_at(result, one)])
        elif one["cannot_fail"]:
            ElementTree.SubElement(case, "skipped", {"message": printable(_word(one))})
        elif one["only_p_passed"]:
            ElementTree.SubElement(case, "system-out").text = printable(_word(one))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def render_markdown(result: Comparison) -> str:
    """The tables for a pull request or a job summary, readable as plain text, with the prompts of failed conditions."""
    conditions = result["conditions"]
    met = [one for one in conditions if not one["passed"]]
    verdict = f": {result['verdict']}" if result["verdict"] else ""
    parts = [f"## holdfast compare{verdict}", "\n".join(_settings(result))]
    parts += [f"Warning: {sentence}" for sentence in result["warnings"]]
    parts += [] if result["settings_known"] else [UNKNOWN_SETTINGS]
    tables = gate_tables(result)
    parts += [_markdown_table(tables[0], _name, _code)]
    parts += [_markdown_table(table, _code) for table in tables[1:]]
    parts += [BY_INTERVAL] if conditions else []
    for one in met:
        look = f" Look at the answers to {_how_many(one)} ({_show(result)}):" if one["prompts"] else ""
        heading = f"Met: {_code(one['condition'])}.{look}"
        parts += ["\n".join([heading, "", *(f"- {_code(prompt)}" for prompt in one["prompts"])]).rstrip()]
    return "\n\n".join(parts) + "\n"


def _settings(result: Comparison) -> list[str]:
    """Both models with their files, and who judged."""
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
    """'these 3 of 8 prompts that changed', or 'these prompts' where they are all."""
    shown, changed = len(condition["prompts"]), condition["num_prompts"]
    return f"these {shown} of {changed} prompts that changed" if changed > shown else "these prompts"


def _show(result: Comparison) -> str:
    """The command that shows the answers of the second checkpoint."""
    return _code(f"holdfast show {result['after']}")


def _word(condition: Comparison) -> str:
    if condition["cannot_fail"]:
        return f"cannot fail: {condition['cannot_fail']}"
    if condition["only_p_passed"]:
        return f"passed: {condition['only_p_passed']}"
    return "passed" if condition["passed"] else "FAILED"


def _by_interval(condition: Comparison) -> str:
    """Whether the interval says the same as the gate, in words; empty where no interval is asked."""
    words = {"holds": "fails", "does not hold": "passes", "inconclusive": "inconclusive"}
    return words.get(condition["by_interval"], "")


def _markdown_table(table: NumberTable, *written: Callable[[str], str]) -> str:
    """The table with its columns padded to one width; `written` are the writers of the first columns."""
    writers = [*written, *[str] * (len(table.header) - len(written))]
    body = [[write(str(cell)) for write, cell in zip(writers, row, strict=True)] for row in table.rows]
    cells = [table.header, *body]
    rows = [[cell.replace("|", "\\|") for cell in row] for row in cells]  # a bar ends a cell, in code as well
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
    """A name as it is where it is harmless, else as code."""
    return text if PLAIN_NAME.fullmatch(text) else _code(text)


def _code(text: str) -> str:
    """Text that means nothing to Markdown and names nobody, as sites link @names anywhere but in code."""
    shown = printable(text).replace("`", "'")  # a backtick would end the code
    return f"`{shown}`" if shown.strip() else "` `"
