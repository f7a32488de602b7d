"""A comparison of two checkpoints for whoever decides on a release: a terminal, a pull request, a build server.

COMPARISON  {"before", "after", "passed", "settings_known",
             "measures": {"asr": {"before": RATE|number|null, "after", "difference", "paired": PAIRED|null,
                                  "corrected_p", "ratio": RATIO|null}},
             "conditions": [{"condition", "passed", "numbers", "prompts": [...]}]}

RATIO  {"value", "low", "high", "n", "p_value"}: of perplexity, after over before on the same exchanges

Names of groups and prompts are hostile until escaped, each where it is written: for a terminal and XML by `printable`,
for XML besides by its writer, for Markdown character by character.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from holdfast.printable import printable
from holdfast.report.schema import rate_from
from holdfast.report.tables import CORRECTED_P, NumberTable, p_texts, perplexity_text
from holdfast.report.words import measure_words, perplexity_words, rate_words

Comparison = Mapping[str, Any]
UNKNOWN_SETTINGS = (
    "One of the files does not say which judge, generation and suite made it, so it is not known whether both were "
    "made alike; evaluate again to have that checked."
)


def gate_tables(result: Comparison) -> list[NumberTable]:
    """The measures and, where there are conditions, what came of them."""
    header = ("measure", "before", "after", "change (became / ceased)", CORRECTED_P)
    rows = tuple((measure_words(name), *_cells(name, measure)) for name, measure in result["measures"].items())
    tables = [NumberTable("Before and after", header, rows, frozenset({3, 4}))]
    checked = tuple((one["condition"], _word(one["passed"]), one["numbers"]) for one in result["conditions"])
    gate = NumberTable("Fails if", ("condition", "gate", "numbers"), checked)
    return [*tables, gate] if checked else tables


def render_junit(result: Comparison) -> str:
    """JUnit XML: one test case a condition."""
    conditions = result["conditions"]
    failures = sum(not one["passed"] for one in conditions)
    suites = ElementTree.Element("testsuites")
    counts = {"tests": str(len(conditions)), "failures": str(failures), "errors": "0", "skipped": "0"}
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "holdfast compare", **counts})
    for one in conditions:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "holdfast.compare", "name": printable(one["condition"])}
        )
        if not one["passed"]:
            failure = ElementTree.SubElement(case, "failure", {"message": printable(one["numbers"])})
            failure.text = "\n".join([printable(one["numbers"]), *_looked_at(one["prompts"])])
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def render_markdown(result: Comparison) -> str:
    """The tables for a pull request or a job summary, failed conditions with the prompts to look at."""
    conditions = result["conditions"]
    failed = [one for one in conditions if not one["passed"]]
    verdict = f": {len(failed)} of {len(conditions)} conditions failed" if failed else ": passed" if conditions else ""
    files = f"Before: {_code(result['before'])}, after: {_code(result['after'])}."
    parts = [f"## holdfast compare{verdict}", files]
    parts += [] if result["settings_known"] else [UNKNOWN_SETTINGS]
    parts += [_markdown_table(table) for table in gate_tables(result)]
    for one in failed:
        parts += ["\n".join([f"Failed: {_code(one['condition'])}", "", *(f"- {_code(p)}" for p in one["prompts"])])]
    return "\n\n".join(parts) + "\n"


def _cells(name: str, measure: Comparison) -> tuple[str, ...]:
    before, after = (_reading(name, measure[when]) for when in ("before", "after"))
    difference, pair = measure["difference"], measure["paired"]
    if ratio := measure.get("ratio"):
        times = f"{ratio['value']:.3f} times [{ratio['low']:.3f}, {ratio['high']:.3f}]"
        return before, after, times, p_texts(ratio["p_value"], measure["corrected_p"])
    if pair is None:
        return before, after, "" if difference is None else f"{difference:+.3g}", ""
    flips = f"({pair['only_after']} / {pair['only_before']})"
    change = flips if difference is None else f"{difference:+.3f} {flips}"
    return before, after, change, p_texts(pair["p_value"], measure["corrected_p"])


def _reading(name: str, reading: Mapping[str, Any] | float | None) -> str:
    if reading is None:
        return "not measured"
    if isinstance(reading, Mapping):
        rate = rate_from(reading)
        is_perplexity = name == "perplexity" and rate.value is not None
        return perplexity_words(rate.value, rate) if is_perplexity else rate_words(rate)
    return perplexity_text(reading)


def _looked_at(prompts: Sequence[str]) -> list[str]:
    return [f"look at the answers to: {printable(prompt)}" for prompt in prompts]


def _word(passed: bool) -> str:
    return "passed" if passed else "FAILED"


def _markdown_table(table: NumberTable) -> str:
    rule = ["---:" if position in table.numeric else "---" for position in range(len(table.header))]
    rows = [table.header, rule, *([_escaped(str(cell)) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _code(text: str) -> str:
    """Text that nobody is named by: sites link @names anywhere but in code."""
    return f"<code>{_escaped(text)}</code>"


def _escaped(text: str) -> str:
    """Every character that could mean something to Markdown or HTML as its number; a decimal point could not."""
    return re.sub(r"(?!(?<=\d)\.(?=\d))[^\w ,;=/]|_", lambda found: f"&#{ord(found.group())};", printable(text))
