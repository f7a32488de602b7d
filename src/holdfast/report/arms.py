"""Reads the arms of SET and SPA out of a report: their order, names, colours and markers, and their rates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from holdfast.arms import START, STARTS, Stage, looks
from holdfast.arms import arms_of as rows_of
from holdfast.holm import holm
from holdfast.measure_names import LABELS, is_category
from holdfast.outcomes import Rate
from holdfast.report.records import Pair, Report, Suite

MARKERS = {START.name: START.marker} | {look.name: look.marker for look in looks("adapt", "enhance", "verify").values()}
"""Marker of each look. It tells arms apart in print without colour and for colour-blind readers."""
PERPLEXITY_RATIO = "perplexity_ratio"
"""Name of a measure: an arm's perplexity divided by that of its experiment's start, on the same exchanges."""


@dataclass(frozen=True)
class Arm:
    """An arm with its measurements."""

    method: str
    """Name of the arm's look, to which the style sheet gives one colour."""
    label: str
    suite: Suite
    corrected: Mapping[str, float] = field(default_factory=dict)
    """Corrected p value of each paired test, by measure. The correction counts all tests that the page shows."""

    def rate(self, measure: str) -> Rate | None:
        """Returns the rate of a measure, or of a group such as 'asr/heldout'. None if it was not measured."""
        return self.suite.rates.get(measure)

    def paired(self, measure: str) -> Pair | None:
        """Returns the comparison of a measure with the start of the experiment, on the same prompts."""
        return self.suite.paired.get(measure)


def measured_arms(stage: Stage, report: Report) -> list[Arm]:
    """Returns the start of a stage and its measured arms."""
    looks = {(stage, STARTS[stage]): (START.name, STARTS[stage])}
    looks |= {row.path: (row.look.name, row.label_for(selected_label(report))) for row in rows_of(stage).values()}
    return [Arm(*look, report.suites[path]) for path, look in looks.items() if path in report.suites]


def arms_of(report: Report) -> dict[str, list[Arm]]:
    """Returns the arms of both experiments by section. Paired p values are corrected (Holm) over all on the page.

    A stage that the config leaves out has no arms, even if its start was measured for another stage.
    """
    absent = report.config.stages_left_out
    sections = {stage: [] if stage in absent else measured_arms(stage, report) for stage in STARTS}
    shown = [(name, at, measure) for name, arms in sections.items() for at, measure in _tests_of(arms)]
    p_values = [sections[name][at].suite.paired[measure].p_value for name, at, measure in shown]
    corrected = dict(zip(shown, holm(p_values), strict=True))
    return {
        name: [
            replace(arm, corrected={test[2]: p for test, p in corrected.items() if test[:2] == (name, at)})
            for at, arm in enumerate(arms)
        ]
        for name, arms in sections.items()
    }


def num_tests(sections: Mapping[str, Sequence[Arm]]) -> int:
    """Counts the paired tests that the page shows."""
    return sum(len(arm.corrected) for arms in sections.values() for arm in arms)


def _tests_of(arms: Sequence[Arm]) -> list[tuple[int, str]]:
    """Lists every paired test as the position of its arm and its measure."""
    return [(at, measure) for at, arm in enumerate(arms) for measure in measures_of(arms) if arm.paired(measure)]


def selected_label(report: Report) -> str:
    """Names the main mask: 'top 1%', or 'top' while the fraction is unknown."""
    fraction = report.locate.fraction
    return f"top {100 * fraction:.3g}%" if fraction else "top"


def measures_of(arms: Sequence[Arm]) -> list[str]:
    """Lists every measure that some arm has, each followed by its groups, and categories of prompts at the end.

    Without a judge of harm, safety is the share of harmful prompts not refused. Attack success is then unmeasured, and
    the refusal rate is the complement, so both are left out.
    """
    groups = sorted({name for arm in arms for name in arm.suite.groups if not _is_whole(name, arms)})
    known = {measure for measure in LABELS if any(arm.suite.is_measured(measure) for arm in arms)}
    known -= {"asr", "refusal"} if "not_refused" in known else set()
    ordered = []
    for measure in LABELS:
        ordered += [measure] if measure in known else []
        ordered += [name for name in groups if name.startswith(f"{measure}/")]
    return sorted(ordered, key=is_category)


def _is_whole(group: str, arms: Sequence[Arm]) -> bool:
    """Tells whether a group has all prompts of its measure in every arm, so that its row would be a repetition."""
    measure = group.partition("/")[0]
    wholes = [(arm.suite.rates.get(group), _whole(arm.suite, measure, group)) for arm in arms]
    return any(part for part, _ in wholes) and all(part == whole for part, whole in wholes if part)


def _whole(suite: Suite, measure: str, group: str) -> Rate | None:
    """Returns the rate of all prompts of a measure: its own field, or else its group `all`, except for that group."""
    whole = None if is_perplexity(measure) else suite.rates.get(measure)
    return whole or (suite.rates.get(f"{measure}/all") if group != f"{measure}/all" else None)


def measure_label(measure: str) -> str:
    """Writes a measure as a title: 'Attack success, heldout' for asr/heldout."""
    name, _, group = measure.partition("/")
    return f"{LABELS.get(name, name)}, {group}" if group else LABELS.get(name, name)


def is_perplexity(measure: str) -> bool:
    """Tells whether a measure is a perplexity, which is no share and has no upper bound."""
    return measure.partition("/")[0] == "perplexity"


def is_length(measure: str) -> bool:
    """Tells whether a measure is a mean number of tokens, which is no share and has no upper bound."""
    return measure.partition("/")[0] == "response_length"
