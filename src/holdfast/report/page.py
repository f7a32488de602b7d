"""Renders report.json as one self-contained page, without script or requests.

The page is written early and grows, so every section may be missing. All text of models, prompts and files is
untrusted. Every template escapes it, and the page's content policy also forbids scripts and requests.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from holdfast.arms import STAGES
from holdfast.report.arms import MARKERS, Arm, arms_of, is_length, measure_label, measures_of, num_tests, selected_label
from holdfast.report.colours import CARD, COLOURS, label_class
from holdfast.report.controls import arms_run, controls_of_set, holds_of_spa
from holdfast.report.convergence import convergence_curves, convergence_table
from holdfast.report.cut_off import cut_off_of
from holdfast.report.distribution import Histogram, distribution_table, histogram
from holdfast.report.downloads import csv_link, file_stem
from holdfast.report.experts import SHOWN, ExpertMap, expert_map, expert_table
from holdfast.report.figures import Curves, HeatMap, heat_map
from holdfast.report.folded import same_in_all, same_under_noise
from holdfast.report.forests import Forest, forest
from holdfast.report.in_short import bar_words, in_short
from holdfast.report.left_out import left_out_words, uses_safety_only
from holdfast.report.next_steps import next_steps
from holdfast.report.noise_curves import noise_curves
from holdfast.report.objective_words import score_words
from holdfast.report.records import Component, Report, Selection
from holdfast.report.repeats import SET_OF, repeats_of
from holdfast.report.safety import safety_name
from holdfast.report.schema import with_ends
from holdfast.report.subject import (
    model_name,
    own_mask_of_set,
    selected_words,
    short_name,
    toy_words,
    what_it_cannot_say,
    what_was_done,
)
from holdfast.report.summary import answer, cards, gaps
from holdfast.report.tables import NumberTable, arm_tables, component_table, noise_tables
from holdfast.report.unpaired import why_unpaired
from holdfast.report.verdicts import verdicts_of
from holdfast.spelling import capitalize_first

MAIN_MEASURES = (
    *("asr", "not_refused", "refusal", "coherent_refusal/harmful", "over_refusal", "over_refusal/borderline"),
    *("utility", "task"),
)
"""Measures of SET and SPA whose figures are always in sight. The page folds the others."""
BREAKABLE = re.compile(r"[-/?]")
"""Characters of a word behind which some browsers break a line."""
OPTION = re.compile(r"(--[a-z][a-z.-]+)")
"""An option of a command within a sentence."""
LONG_WORD = 30
"""Number of characters from which on a word of a command may be wider than a phone."""
SHOWN_CHARACTERS = 4000
"""Characters of a response that the page shows. The page counts the rest."""


def render_page(report: Report) -> str:
    """Renders the page of a report, complete or not. Equal reports give equal pages."""
    return environment().get_template("page.html.j2").render(**page_context(report))


@cache
def environment() -> Environment:
    """Loads the templates, which escape every value that they insert. Each is compiled once a process."""
    made = Environment(
        loader=PackageLoader("holdfast.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters |= {"clipped": clipped, "as_bytes": bytes_text, "as_share": share_text, "with_ends": with_ends}
    made.globals |= {"colours": COLOURS, "card": CARD}
    made.filters |= {"csv_link": csv_link, "file_stem": file_stem, "label_class": label_class}
    made.filters |= {"capitalize_first": capitalize_first, "with_code": with_code, "unbroken": unbroken}
    made.filters |= {"with_breaks": with_breaks}
    return made


def with_code(text: str) -> Markup:
    """Escapes a sentence, and sets what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a single backtick, as in a file's name, means itself
        return _with_whole_options(text)
    code = Markup('<span class="code">{}</span>')
    return Markup("").join(
        code.format(unbroken(part)) if place % 2 else _with_whole_options(part) for place, part in enumerate(parts)
    )


def _with_whole_options(text: str) -> Markup:
    """Escapes a text, and keeps browsers from breaking a line within an option, such as --html."""
    option = Markup('<span class="option">{}</span>')
    parts = OPTION.split(text)
    return Markup("").join(option.format(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def with_breaks(name: str) -> Markup:
    """Escapes a name, and lets a line break behind each slash, so that it breaks within no word."""
    return Markup("/<wbr>").join(map(escape, name.split("/")))


def unbroken(command: str) -> Markup:
    """Escapes a command, and keeps browsers from breaking a line within a word, such as a path or --html."""
    return Markup("").join(map(_whole_word, re.split(r"(\s+)", command)))


def _whole_word(word: str) -> Markup:
    if not BREAKABLE.search(word):
        return escape(word)
    kind = Markup(' class="long"') if len(word) > LONG_WORD else ""
    return Markup("<span{}>{}</span>").format(kind, word)


def clipped(text: str) -> str:
    """Shortens a long text to its beginning and the number of characters left out."""
    left_out = len(text) - SHOWN_CHARACTERS
    return text if left_out <= 0 else f"{text[:SHOWN_CHARACTERS]} … and {left_out:,} more characters"


def bytes_text(size: int) -> str:
    """Writes a size in bytes as '87.4 kB', in powers of 1000, as disks and hubs count."""
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB"):
        if amount >= 999.5:  # would print as 1e+03
            amount, unit = amount / 1000, larger
    return f"{amount:.3g} {unit}" if unit != "B" else f"{size} B"


def p_means(tests: int) -> str:
    """Explains the p values of the page in plain words."""
    return (
        "p is how often chance alone would change as many prompts between the starting model and this one (exact "
        f"McNemar test on the same prompts). It is corrected by Holm's method for the {tests} tests on this page, "
        "because among so many some p values are small by chance. The tables show the uncorrected value first."
    )


def share_text(share: float | None) -> str | None:
    """Writes a share as '0.0123'. None stays None."""
    return None if share is None else f"{share:.4f}"


@dataclass(frozen=True)
class ShownSelection:
    """A selection with its maps and tables."""

    label: str
    method: str
    section: Selection
    model: str | None
    """Name of the model, where the page shows masks of two models."""
    maps: list[HeatMap]
    table: NumberTable
    experts: ExpertMap | None
    expert_table: NumberTable


@dataclass(frozen=True)
class Figures:
    """Figures of the page, and the lines of text that replace those in which nothing differs."""

    selections: list[ShownSelection]
    distribution: Histogram | None
    convergence: Curves | None
    noise: list[tuple[Curves, str]]
    """Curves of each measure, with the direction that is better."""
    folded_noise: list[str]
    forests: dict[str, list[Forest]]
    """Figures of the arms by stage."""
    folded_arms: dict[str, list[str]]


def page_context(report: Report) -> dict[str, object]:
    """Collects the values of the page's template: figures, tables, verdicts and the report itself."""
    verdicts, absent = verdicts_of(report), report.config.stages_left_out
    arms, own, stages = arms_of(report), own_mask_of_set(report), cards(report)
    shorts = in_short(report, stages, verdicts)
    return {
        **vars(figures_of(report)),
        "report": report,
        "selected": selected_label(report),
        "answer": answer(report),
        "gaps": gaps(report),
        "model": model_name(report),
        "toy": toy_words(report),
        "selected_words": selected_words(report),
        "done": what_was_done(report),
        "cannot_say": what_it_cannot_say(report, verdicts),
        "every_verdict": verdicts,
        "cut_off": cut_off_of(report),
        "cards": stages,
        "in_short": {short.stage: short for short in shorts},
        "bar_words": bar_words(report, shorts),
        "next_steps": next_steps(report, shorts, verdicts),
        "safety": safety_name(report),
        "own_mask": own and score_words(own.objective),
        "scored_by": score_words(report.locate.objective),
        "controls": controls_of_set(report),
        "holds": holds_of_spa(report),
        "has_plain": "plain" in arms_run(report, "adapt"),
        "was_judged": report.safety == "asr",
        "verdicts": {stage: [verdict for verdict in verdicts if verdict.stage == stage] for stage in STAGES},
        "absent": absent,
        "left_out": left_out_words(absent),
        "markers": MARKERS,
        "convergence_table": convergence_table(report.locate.convergence),
        "distribution_table": report.locate.distribution and distribution_table(report.locate.distribution),
        "noise_tables": noise_tables(report),
        "has_lengths": {stage: any(map(is_length, _shown(measured))) for stage, measured in arms.items()},
        "unpaired": {stage: why_unpaired(measured) for stage, measured in arms.items()},
        "main_figures": {measure_label(measure) for measure in MAIN_MEASURES},
        "repeats": {measure_label(measure): repeats_of(report, measure) for measure in SET_OF},
        "p_means": p_means(num_tests(arms)),
        "arm_tables": dict(zip(arms, arm_tables(report), strict=True)),
        "judge_table": _judge_table(report),
        "provenance": _provenance(report.provenance),
    }


def figures_of(report: Report) -> Figures:
    """Draws every figure of the page."""
    arms = arms_of(report)
    noise, folded_noise = _noise(report)
    return Figures(
        selections=_selections(report),
        distribution=histogram(report.locate.distribution),
        convergence=convergence_curves(report.locate.convergence),
        noise=noise,
        folded_noise=folded_noise,
        forests={stage: _forests(measured) for stage, measured in arms.items()},
        folded_arms={stage: _folded(measured) for stage, measured in arms.items()},
    )


def _judge_table(report: Report) -> NumberTable | None:
    """Makes the table of rates corrected for the judges' errors. None if there are none."""
    judges = report.judges
    return NumberTable("Measured and corrected rates", judges.header, judges.rows) if judges and judges.rows else None


def _provenance(provenance: Mapping[str, object]) -> dict[str, list[tuple[str, str]]]:
    """Groups the provenance under headings, with rows of name and value. Single values go under 'run'."""
    parts = {name: entry for name, entry in provenance.items() if isinstance(entry, Mapping)}
    alone = {name: entry for name, entry in provenance.items() if name not in parts}
    units = {"timings": " s"}
    rows = {
        name: [(key, value + units.get(name, "")) for key, value in plain_rows(entry)] for name, entry in parts.items()
    }
    return rows | ({"run": plain_rows(alone)} if alone else {})


def plain_rows(entry: Mapping[str, object], before: str = "") -> list[tuple[str, str]]:
    """Lists settings as rows of name and value. A nested setting is named by its dotted path. Unset ones say none."""
    rows = []
    for key, value in entry.items():
        if isinstance(value, Mapping):
            rows += plain_rows(value, f"{before}{key}.")
        else:
            rows.append((f"{before}{key}", _plain(value)))
    return rows


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "none"
    return {None: "none", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else str(value)


def _selections(report: Report) -> list[ShownSelection]:
    """Describes the plain selection and, if the run uses them, the safety-only one and SET's own, with their maps."""
    selected, own = selected_label(report), own_mask_of_set(report)
    sections = {f"{selected}{_used_by(report)}" if own else selected: ("top", report.locate)}
    if report.locate.safety_only is not None and uses_safety_only(report):
        sections["safety-only"] = ("safety_only", report.locate.safety_only)
    sections |= {f"{selected}: trained by SET": ("top", own)} if own else {}
    return [
        ShownSelection(
            label=label,
            method=method,
            section=section,
            model=short_name(section.model) if own and section.model else None,
            maps=_maps(section.by_component),
            table=_component_table(section.by_component),
            experts=expert_map(section),
            expert_table=expert_table(section, SHOWN),
        )
        for label, (method, section) in sections.items()
        if section.by_component
    ]


def _used_by(report: Report) -> str:
    """Names the stages that use the mask of `locate`, for its title beside that of SET's own mask."""
    uses = ["under noise"] if report.verify.noise_ratio else []
    uses += ["held by SPA"] if any(stage == "adapt" for stage, *_ in report.suites) else []
    return f": {' and '.join(uses)}" if uses else ""


def _component_table(components: Sequence[Component]) -> NumberTable:
    has_means = any(part.mean is not None for part in components)
    return component_table(components, mean="mean score" if has_means else None)


def _maps(components: Sequence[Component]) -> list[HeatMap]:
    """Draws the two maps of a selection. An empty selection has none."""
    selected = any(part.selected for part in components)
    return [heat_map(components, kind) for kind in ("share", "relative")] if selected else []


def _noise(report: Report) -> tuple[list[tuple[Curves, str]], list[str]]:
    """Draws the curves of safety, utility and coherence, or writes a line on those that noise does not change."""
    drawn, folded = [], []
    directions = {
        report.safety: "lower is safer",
        "utility": "higher is better",
        "coherence": "of answers to harmful prompts, higher is better",
    }
    for measure, direction in directions.items():
        curves = noise_curves(report.verify, measure)
        if line := same_under_noise(report.verify, measure):
            folded.append(line)
        elif curves:
            drawn.append((curves, direction))
    return drawn, folded


def _forests(arms: list[Arm]) -> list[Forest]:
    drawn = [forest(arms, measure) for measure in _shown(arms) if same_in_all(arms, measure) is None]
    return [figure for figure in drawn if figure is not None]


def _folded(arms: list[Arm]) -> list[str]:
    lines = [same_in_all(arms, measure) for measure in _shown(arms)]
    return [line for line in lines if line]


def _shown(arms: list[Arm]) -> list[str]:
    # Groups of utility, and of faults in responses, are in the table only. Groups of safety get a figure. A refusal is
    # short, so of lengths only those at safe prompts get one.
    in_table = ("utility/", "task/", "coherence/", "degenerate/", "cut_off/", "response_length/")
    safe = [f"response_length/{name}" for name in ("harmless", "borderline")]
    return [measure for measure in measures_of(arms) if measure in safe or not measure.startswith(in_table)]
