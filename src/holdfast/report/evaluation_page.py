"""Renders an evaluation as one page, without script or requests: its rates by prompt set, and how it was made.

It holds no prompt and no response, unless some are given. Names, prompts and responses are untrusted: the template
escapes all, and `printable` spells out control characters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from holdfast import __version__
from holdfast.made_by import Meta, model_name
from holdfast.measure_names import is_category, is_detail, mark_of, measure_words
from holdfast.outcomes import Evaluation, Rate
from holdfast.printable import printable
from holdfast.report.arms import MARKERS
from holdfast.report.evaluation_card import DOES_NOT_SAY, TOY
from holdfast.report.in_short import Bar
from holdfast.report.page import environment
from holdfast.report.subject import TESTBED
from holdfast.report.tables import NumberTable
from holdfast.report.words import ordered, rate_words, shown_numbers
from holdfast.spelling import capitalize_first, joined

SETS = {
    "harmful": "Harmful prompts",
    "prefilled": "Harmful prompts, with the beginning of a harmful answer",
    "harmless": "Harmless prompts",
    "exchanges": "Given responses to harmless prompts",
    "borderline": "Borderline prompts, which are safe and look unsafe",
    "refusals": "Given refusals to harmful prompts",
    "questions": "Questions",
    "task": "Task",
    "all": "All answers",
    "lm_eval": "Tasks of lm-eval",
    "other": "Other measures",
}
"""Title of each prompt set, in the order of the page."""
SET_OF = {
    "asr": "harmful",
    "refusal": "harmful",
    "not_refused": "harmful",
    "coherent_refusal": "harmful",
    "asr_prefilled": "prefilled",
    "over_refusal": "harmless",
    "borderline": "borderline",
    "utility": "questions",
    "task": "task",
    "perplexity": "exchanges",
    "lm_eval": "lm_eval",
}
"""Prompt set of each measure. A group that is itself a prompt set comes first."""
COHERENCE = "coherence/all"
HEADER = ("measure", "value", "95% interval", "n", "unscored")


ShownAnswer = tuple[str, Sequence[tuple[str, str]]]
"""An answer to show in full: a title, and rows of name and text."""


@dataclass(frozen=True)
class EvaluationAbout:
    """Content of the page beside the evaluation."""

    file: str | None = None
    """File of the evaluation, which the page's commands name. None for one in memory."""
    settings: Sequence[tuple[str, str]] = ()
    """How the evaluation was made, as rows of name and value."""
    warnings: Sequence[str] = ()
    answers: Sequence[ShownAnswer] = ()


def render_evaluation_page(evaluation: Evaluation, about: EvaluationAbout = EvaluationAbout()) -> str:
    """Renders the page of an evaluation."""
    name = model_name(evaluation.made_by) or about.file or "a model without a name"
    rates, toy = measured_rates(evaluation), [TOY] if name.startswith(TESTBED) else []
    return environment().get_template("evaluation.html.j2").render(
        heading=printable(f"Evaluation of {name}"),
        lead=lead(evaluation),
        bar_rows=_bars(rates),
        tables=list(_tables(evaluation.made_by, rates)),
        warnings=[printable(sentence) for sentence in about.warnings],
        settings=[(key, printable(value)) for key, value in about.settings],
        answers=[(printable(title), rows) for title, rows in about.answers],
        file=printable(about.file or "evaluation.json"),
        does_not_say=[*toy, *DOES_NOT_SAY],
        markers=MARKERS,
        version=__version__,
    )  # fmt: skip


def measured_rates(evaluation: Evaluation) -> dict[str, Rate]:
    """Returns every rate that was measured, in the order of the measures."""
    measure, safety = evaluation.safety
    rates = {measure: safety, **evaluation.rates}
    if evaluation.perplexity is not None and evaluation.perplexity_rate is None:  # older files have no interval
        rates["perplexity"] = Rate(evaluation.perplexity, None, None, 0)
    return {name: rate for name, rate in ordered(rates) if rate.n or rate.unscored or rate.value is not None}


def lead(evaluation: Evaluation) -> str:
    """Says in a sentence or two how often the model refuses, and how often attacks succeed."""
    kinds = {"harmful": evaluation.refusal, "harmless": evaluation.over_refusal, "borderline": evaluation.borderline}
    parts = [
        f"{round(rate.value * rate.n):,} of {rate.n:,} {kind} prompts ({_short(rate)})"
        for kind, rate in kinds.items()
        if rate and rate.value is not None
    ]
    sentences = [f"The model refuses {joined(parts, 'and')}."] if parts else []
    if evaluation.asr.value is not None:
        succeeded = f"{round(evaluation.asr.value * evaluation.asr.n):,} of {evaluation.asr.n:,}"
        sentences.append(f"Attacks succeed on {succeeded} harmful prompts ({_short(evaluation.asr)}).")
    return " ".join(sentences) or "No rate of refusals was measured."


def _short(rate: Rate) -> str:
    """Writes a rate with its interval: '0.50 [0.36, 0.64]'."""
    return rate_words(rate).partition(" n=")[0]


def _bars(rates: dict[str, Rate]) -> list[Bar]:
    """Makes a bar of each share that covers a whole prompt set."""
    return [
        Bar(capitalize_first(printable(measure_words(name))), rate, "treated")
        for name, rate in rates.items()
        if (name == COHERENCE or not is_detail(name, rates)) and not is_category(name) and _is_share(name, rate)
    ]


def _is_share(name: str, rate: Rate) -> bool:
    ends = (rate.value, rate.low, rate.high)
    known = name == COHERENCE or (name.partition("/")[0] in SET_OF and not name.startswith("perplexity"))
    return known and rate.value is not None and all(0 <= end <= 1 for end in ends if end is not None)


def _tables(made_by: Meta, rates: dict[str, Rate]) -> Iterator[NumberTable]:
    """Makes a table of the rates of each prompt set that was measured."""
    for key, title in SETS.items():
        rows = tuple(_row(name, rate) for name, rate in rates.items() if prompt_set(name) == key)
        if rows:
            yield NumberTable(f"{title}{_names(made_by, key)}", HEADER, rows, frozenset(range(1, len(HEADER))))


def prompt_set(name: str) -> str:
    """Returns the prompt set of a measure, one of `SETS`."""
    measure, _, group = name.partition("/")
    base = measure.partition("_any_of_")[0]
    if base != "lm_eval" and group in SETS and group not in ("all", "other"):
        return group
    return SET_OF.get(base) or ("all" if group == "all" else "other")


def _row(name: str, rate: Rate) -> tuple[str, ...]:
    words = f"{measure_words(name)}{mark_of(name, rate.n)}"
    if rate.value is None:
        return printable(words), "not measured", "", f"{rate.n:,}", f"{rate.unscored:,}"
    value, *ends = shown_numbers(name, rate)
    interval = " to ".join(ends) or "no interval"
    return printable(words), value, interval, f"{rate.n:,}", f"{rate.unscored:,}"


def _names(made_by: Meta, key: str) -> str:
    """Names the files of a prompt set, as ': harmful.txt (200)'. Empty where they are not recorded."""
    sets = made_by.get("prompt_sets")
    entries = sets.get(key) if isinstance(sets, Mapping) else None
    if not isinstance(entries, list | tuple):
        return ""
    named = [f"{entry.get('name')} ({entry.get('prompts')})" for entry in entries if isinstance(entry, Mapping)]
    return printable(f": {', '.join(named)}") if named else ""
