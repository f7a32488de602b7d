"""Renders an evaluation as a card in Markdown, for a model's page or a pull request.

It has the rates with their intervals, the judges with their errors, the prompt sets with hashes and licences, the
settings and versions, and what the numbers do not say. It holds no prompt and no response. Results on datasets of the
hub also stand in the metadata at the top (model-index).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.made_by import model_fingerprint, model_name
from holdfast.measure_names import measure_words
from holdfast.outcomes import Evaluation, Rate
from holdfast.report.hub_results import HubResult, to_yaml
from holdfast.report.markdown import code, markdown_table, plain_or_code
from holdfast.report.prompt_sets import described
from holdfast.report.subject import TESTBED, short_name
from holdfast.report.tables import NumberTable
from holdfast.report.words import ordered, perplexity_words, rate_words

DOES_NOT_SAY = (
    "A low rate of attacks that succeed is no proof of safety. Other prompts, and attacks made for this model, may "
    "succeed more often.",
    "The rates hold for these prompts, this chat template and these settings.",
)
TOY = "This is a built-in test model. Its numbers test the machinery and say nothing about real models."
HASH_DIGITS = 12


@dataclass(frozen=True)
class CardContent:
    """Content of a card beside the evaluations."""

    corrected: Mapping[str, Mapping[str, str]]
    """Rates corrected for the judges' errors in words, by the heading of the evaluation and the measure."""
    judges: Sequence[str]
    """A sentence on each judge."""
    results: Sequence[HubResult] = ()
    """Results on datasets of the hub."""


def render_card(evaluations: Mapping[str, Evaluation], content: CardContent) -> str:
    """Renders the card of one evaluation, or of several of one run by their headings."""
    first = next(iter(evaluations.values()))
    name = short_name(model_name(first.made_by) or "a model that its file does not name")
    parts = [_metadata(name, content.results), f"# Safety of {plain_or_code(name)}"]
    parts += [
        "Each rate is a share of the prompts, with its 95% interval and their number.",
        _results(evaluations, content),
    ]
    parts += ["## Judges", _list(content.judges)] if content.judges else []
    sets = first.made_by.get("prompt_sets")
    parts += ["## Prompts", _prompts(sets)] if isinstance(sets, Mapping) and sets else []
    parts += ["## Settings", _list(_settings(evaluations))]
    toy = [TOY] if name.startswith(TESTBED) else []
    parts += ["## What this does not say", _list([*toy, *DOES_NOT_SAY])]
    return "\n\n".join(filter(None, parts)) + "\n"


def _metadata(name: str, results: Sequence[HubResult]) -> str:
    """Writes the metadata of a model card. Empty without results on datasets of the hub."""
    if not results:
        return ""
    index = [{"name": name.rpartition("/")[2], "results": [result.indexed() for result in results]}]
    return f"---\n{to_yaml({'model-index': index})}---"


def _results(evaluations: Mapping[str, Evaluation], content: CardContent) -> str:
    shown = {heading: _measured(evaluation) for heading, evaluation in evaluations.items()}
    names = dict(ordered({name: None for cells in shown.values() for name in cells}))
    with_corrected = any(content.corrected.values())
    rows = []
    for name in names:
        cells = []
        for heading in evaluations:
            cells.append(shown[heading].get(name, "not measured"))
            cells += [content.corrected.get(heading, {}).get(name, "")] if with_corrected else []
        rows.append((measure_words(name), *cells))
    columns = []
    for heading in evaluations:
        columns += [heading or "measured", *([f"{heading} corrected".strip()] if with_corrected else [])]
    return markdown_table(NumberTable("", ("measure", *columns), tuple(rows)), plain_or_code)


def _measured(evaluation: Evaluation) -> dict[str, str]:
    measure, safety = evaluation.safety
    rates = {measure: safety, **evaluation.rates}
    texts = {name: _words(name, rate) for name, rate in rates.items() if rate.n or rate.unscored}
    if evaluation.perplexity is not None:
        texts["perplexity"] = perplexity_words(evaluation.perplexity, evaluation.perplexity_rate)
    return texts


def _words(name: str, rate: Rate) -> str:
    return perplexity_words(rate.value, rate) if name == "perplexity" and rate.value is not None else rate_words(rate)


def _prompts(sets: Mapping[str, Any]) -> str:
    rows = [
        (
            each["measure"],
            each["name"] + (f" ({each['part']})" if each["part"] else ""),
            f"{each['prompts']:,}",
            _licence(each),
            str(each["sha256"])[:HASH_DIGITS],
        )
        for each in described(sets)
    ]
    header = ("prompts", "set", "number", "licence", "SHA-256")
    return markdown_table(NumberTable("", header, tuple(rows), frozenset({2})), str, code, str, plain_or_code, code)


def _licence(each: Mapping[str, Any]) -> str:
    """Writes the licence, and the public set that a file is a copy of."""
    copied = f", {each['set']}" if each["set"] not in (None, each["name"]) else ""
    return f"{each['licence']}{copied}" if each["licence"] else "not known"


def _settings(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """Lists the models with their fingerprints, and the settings that the evaluations share."""
    lines = []
    for heading, evaluation in evaluations.items():
        fingerprint = model_fingerprint(evaluation.made_by)
        named = code(short_name(model_name(evaluation.made_by) or "not named"))
        lines.append(f"{heading or 'model'}: {named}, fingerprint {code((fingerprint or 'not known')[:HASH_DIGITS])}")
    made_by = next(iter(evaluations.values())).made_by
    for entry, words in {"generation": "responses", "device": "computed on", "versions": "versions"}.items():
        found = made_by.get(entry)
        if isinstance(found, Mapping):
            lines.append(f"{words}: {', '.join(f'{key} {code(str(value))}' for key, value in found.items())}")
    if system := made_by.get("system_prompt"):
        lines.append(f"system prompt that the chat template adds: {code(str(system))}")
    return lines


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
