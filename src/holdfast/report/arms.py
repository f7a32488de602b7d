"""The arms of each experiment in the order and with the name, colour and marker that the whole page gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.arms import START, STARTS, Stage, looks
from holdfast.arms import arms_of as rows_of
from holdfast.holm import holm
from holdfast.measure_names import LABELS
from holdfast.outcomes import Rate
from holdfast.report.left_out import stages_left_out
from holdfast.report.suites import rate_of, suite_at

MARKERS = {START.name: START.marker} | {look.name: look.marker for look in looks("adapt", "enhance", "verify").values()}
"""A second sign beside the colour, for print without colour and for eyes that see it differently."""
PERPLEXITY_RATIO = "perplexity_ratio"
"""The perplexity of an arm over that where its experiment started, on the same exchanges."""


@dataclass(frozen=True)
class Arm:
    """One way of treating the model, with what was measured of it."""

    method: str
    """Name of its look: the style sheet gives each one colour."""
    label: str
    suite: Mapping[str, Any]
    corrected: Mapping[str, float] = field(default_factory=dict)
    """The p value of each paired test, corrected for all that are shown beside it."""

    def rate(self, measure: str) -> Rate | None:
        """A measure, or a group such as 'asr/heldout'; None where it was not measured."""
        return rate_of(self.suite, measure)

    def paired(self, measure: str) -> Mapping[str, Any] | None:
        """The measure paired with where the experiment started."""
        return self.suite.get("paired", {}).get(measure)


def measured_arms(stage: Stage, section: Mapping[str, Any], selected: str = "top") -> list[Arm]:
    """The start of a stage and its arms, as far as they were measured, the main mask called as `selected` says."""
    start = Arm(START.name, STARTS[stage], section.get(STARTS[stage]) or {})
    rows = rows_of(stage).values()
    arms = [Arm(row.look.name, row.label_for(selected), suite_at({stage: section}, row.path)) for row in rows]
    return [arm for arm in (start, *arms) if arm.suite]


def arms_of(report: Mapping[str, Any]) -> dict[str, list[Arm]]:
    """The arms of both experiments by section, every paired p value corrected (Holm) over all that the page shows.

    A stage that the config leaves out has none, though its start may have been measured for another stage.
    """
    selected, absent = selected_label(report), stages_left_out(report)
    sections = {
        stage: [] if stage in absent else measured_arms(stage, report.get(stage, {}), selected) for stage in STARTS
    }
    shown = [(name, at, measure) for name, arms in sections.items() for at, measure in _tests_of(arms)]
    p_values = [sections[name][at].suite["paired"][measure]["p_value"] for name, at, measure in shown]
    corrected = dict(zip(shown, holm(p_values), strict=True))
    return {
        name: [
            replace(arm, corrected={test[2]: p for test, p in corrected.items() if test[:2] == (name, at)})
            for at, arm in enumerate(arms)
        ]
        for name, arms in sections.items()
    }


def num_tests(sections: Mapping[str, Sequence[Arm]]) -> int:
    """How many paired tests the page shows."""
    return sum(len(arm.corrected) for arms in sections.values() for arm in arms)


def _tests_of(arms: Sequence[Arm]) -> list[tuple[int, str]]:
    """Place of the arm and measure of every paired test that is shown."""
    return [(at, measure) for at, arm in enumerate(arms) for measure in measures_of(arms) if arm.paired(measure)]


def selected_label(report: Mapping[str, Any]) -> str:
    """'top 1%', or 'top' while the fraction is not known."""
    fraction = report.get("locate", {}).get("fraction")
    return f"top {100 * fraction:.3g}%" if fraction else "top"


def measures_of(arms: Sequence[Arm]) -> list[str]:
    """Every measure that some arm has, groups behind the measure that they are part of.

    Where harmful prompts are counted as not refused, nobody measured attack success, and refusals are the complement.
    """
    groups = sorted({name for arm in arms for name in arm.suite.get("groups", {}) if not _is_whole(name, arms)})
    known = {measure for measure in LABELS if any(_is_measured(arm.suite.get(measure)) for arm in arms)}
    known -= {"asr", "refusal"} if "not_refused" in known else set()
    ordered = []
    for measure in LABELS:
        ordered += [measure] if measure in known else []
        ordered += [name for name in groups if name.startswith(f"{measure}/")]
    return ordered


def _is_whole(group: str, arms: Sequence[Arm]) -> bool:
    """Whether a group holds all prompts of its measure, in every arm: a set of one category has the same row twice."""
    measure = group.partition("/")[0]
    wholes = [(arm.suite.get("groups", {}).get(group), _whole(arm, measure, group)) for arm in arms]
    return any(one for one, _ in wholes) and all(one == whole for one, whole in wholes if one)


def _whole(arm: Arm, measure: str, group: str) -> Any:
    """The record of all prompts of the measure: a field of its own, or a group that is called all, but for itself."""
    return arm.suite.get(measure) or (
        arm.suite.get("groups", {}).get(f"{measure}/all") if group != f"{measure}/all" else None
    )


def _is_measured(record: Any) -> bool:
    """Whether a suite holds a number, or a rate over at least one prompt."""
    return record is not None and (not isinstance(record, Mapping) or bool(record["n"] or record["unscored"]))


def measure_label(measure: str) -> str:
    """'Attack success, heldout'."""
    name, _, group = measure.partition("/")
    return f"{LABELS.get(name, name)}, {group}" if group else LABELS.get(name, name)


def is_perplexity(measure: str) -> bool:
    """Whether a measure is a perplexity, which has no upper bound, and no share."""
    return measure.partition("/")[0] == "perplexity"
