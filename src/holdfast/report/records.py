"""Records of report.json: frozen values that the page reads. `read_report` makes them once.

The page is written while the run goes on, and earlier versions wrote fewer fields. So a record whose section is missing
has no numbers, and a field that may be missing has a default. `schema.py` describes the JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from holdfast.arms import ARMS, STARTS, arms_of
from holdfast.differences import Difference
from holdfast.json_files import JsonObject, JsonValue, record_from
from holdfast.outcomes import Distribution, Rate, SafetyMeasure, Stability
from holdfast.report.schema import SCHEMA

RATES = (
    "asr",
    "not_refused",
    "refusal",
    "over_refusal",
    "borderline",
    "utility",
    "task",
    "perplexity_rate",
    "perplexity_ratio",
)
"""Keys of a SUITE that hold the rates of whole measures."""
SuitePath = tuple[str, ...]
"""Keys that lead to a SUITE in the report."""


@dataclass(frozen=True)
class Pair:
    """Counts of changed prompts between two checkpoints."""

    n: int
    only_before: int
    only_after: int
    difference: float | None
    p_value: float


@dataclass(frozen=True)
class Suite:
    """Results of one evaluation, compared with the start of its section and with other arms."""

    rates: Mapping[str, Rate] = field(default_factory=dict)
    """Rates by measure, such as 'asr', and by group, such as 'asr/heldout'."""
    perplexity: float | None = None
    """The perplexity, also in reports of earlier versions, which have no rate of it."""
    paired: Mapping[str, Pair] = field(default_factory=dict)
    length_change: Mapping[str, Difference] = field(default_factory=dict)
    """Mean response lengths minus those of the start, by group, on the same prompts."""
    against: Mapping[str, Mapping[str, Pair]] = field(default_factory=dict)
    """Comparisons with other arms, by the names of the arms."""

    @property
    def groups(self) -> list[str]:
        """Names of the groups."""
        return [name for name in self.rates if "/" in name]

    def is_measured(self, measure: str) -> bool:
        """Tells whether the suite has the measure, over at least one prompt."""
        if measure == "perplexity":
            return self.perplexity is not None
        rate = self.rates.get(measure)
        return rate is not None and bool(rate.n or rate.unscored)


NOTHING = Suite()


@dataclass(frozen=True)
class Component:
    """Entries of one component in one layer."""

    layer: int | None
    component: str
    selected: int
    entries: int
    mean: Annotated[float | None, Field(validation_alias="mean_esi")] = None
    """Mean score of the entries, by any method."""


@dataclass(frozen=True)
class ExpertRow:
    """Entries of the experts of one layer."""

    layer: int | None
    entries: int
    """Entries of one expert."""
    selected: tuple[int, ...]
    """Selected entries of each expert."""


@dataclass(frozen=True, kw_only=True)
class Point(Stability):
    """Agreement of two halves of `num_prompts` prompts each."""

    num_prompts: int


@dataclass(frozen=True)
class Selection:
    """Selected weights of a model, and the scores that they were selected by."""

    model: str | None = None
    objective: str | None = None
    made_from: Mapping[str, str] = field(default_factory=dict)
    unit: str | None = None
    chat_format: str | None = None
    fraction: float | None = None
    num_selected: int | None = None
    num_parameters: int | None = None
    share_of_all: float | None = None
    by_component: tuple[Component, ...] = ()
    by_expert: tuple[ExpertRow, ...] = ()
    distribution: Distribution | None = None
    stability: Stability | None = None
    convergence: tuple[Point, ...] = ()
    safety_only: "Selection | None" = None
    iou_with_top: float | None = None
    """IoU of the safety-only weights with the top weights. None for other selections."""


@dataclass(frozen=True)
class NoiseRates:
    """One measure without noise, and for every mask at each noise ratio so far."""

    baseline: Rate | None = None
    arms: Mapping[str, tuple[Rate, ...]] = field(default_factory=dict)
    """Masks without a rate are left out."""

    def at(self, arm: str, position: int) -> Rate | None:
        """Returns the rate of a mask at a noise ratio. None if it is not measured, or if nothing was scored."""
        rates = self.arms.get(arm, ())
        return measured(rates[position]) if position < len(rates) else None


@dataclass(frozen=True)
class Noise:
    """Safety, utility and coherence under noise."""

    noise_ratio: tuple[float, ...] = ()
    draws: int | None = None
    safety: NoiseRates = NoiseRates()
    utility: NoiseRates = NoiseRates()
    coherence: NoiseRates | None = None
    """None in reports of earlier versions."""

    def rates(self, measure: str) -> NoiseRates:
        """Returns the rates of utility, of coherence, or of safety for every other measure."""
        apart = {"utility": self.utility, "coherence": self.coherence or NoiseRates()}
        return apart.get(measure, self.safety)


@dataclass(frozen=True)
class PatchFile:
    """The file of a patch."""

    bytes: int
    entries: int
    bytes_per_entry: float | None
    file: str | None = None
    """Its place in the folder of the run."""


@dataclass(frozen=True)
class Training:
    """Training of SET or SPA, and what was checked afterwards."""

    iterations: int | None = None
    entries_trained: int | None = None
    share_trained: float | None = None
    untouched_identical: bool | None = None
    protected_identical: bool | None = None
    routing_drift: float | None = None
    frozen: tuple[str, ...] = ()
    mask: str | None = None
    """File of the mask, by its place in the folder of the run."""
    patch: PatchFile | None = None
    locate: Selection | None = None
    """The weights that SET trained."""


@dataclass(frozen=True)
class Example:
    """A response that changed."""

    stage: str
    prompt: str
    before: str
    after: str
    before_verdict: str | None = None
    after_verdict: str | None = None


@dataclass(frozen=True)
class Repeats:
    """Near duplicates in one set of evaluation prompts."""

    prompts: int
    repeats: int
    """Prompts that nearly repeat an earlier one of the set."""
    near_calibration: int
    """Prompts that resemble one that scores or training used."""


@dataclass(frozen=True)
class Config:
    """Settings of the run. A setting that an earlier version did not record does not count as left out."""

    model: str | None = None
    unaligned: str | None = None
    task: str | None = None
    refusals: str | None = None
    """Harmful prompts with the refusals that SET learns."""
    judge: str | None = None
    max_new_tokens: int | None = None
    stages_left_out: frozenset[str] = frozenset()
    arms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Arms of each stage, as far as the config lists them."""
    has_utility: bool = True
    """Tells whether the run makes utility scores."""
    prompt_sets: frozenset[str] | None = None
    """Prompt sets of the suite. None if the config does not say."""


@dataclass(frozen=True)
class Judges:
    """Cards of the judges, and the rates that are corrected for their errors."""

    lines: tuple[str, ...]
    """A sentence on each judge."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Measured and corrected rates in words, under the header."""


@dataclass(frozen=True)
class Report:
    """The report of a run, complete or not."""

    safety: SafetyMeasure = "asr"
    locate: Selection = Selection()
    verify: Noise = Noise()
    enhance: Training = Training()
    adapt: Training = Training()
    suites: Mapping[SuitePath, Suite] = field(default_factory=dict)
    """Results of the starts and the arms, as far as they were measured, by their paths."""
    config: Config = Config()
    repeats: Mapping[str, Repeats] = field(default_factory=dict)
    """Near duplicates by set of prompts."""
    provenance: Mapping[str, object] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    missing: tuple[str, ...] = ()
    """Pieces of the run that are missing."""
    goes_on: str | None = None
    """Command that makes them."""
    folder: str | None = None
    """Folder of the run, as commands name it. None in reports of earlier versions."""
    judges: Judges | None = None
    """None if no judge has a card."""

    def suite(self, path: Sequence[str]) -> Suite:
        """Returns the results at a path. Without results it is empty."""
        return self.suites.get(tuple(path), NOTHING)


def read_report(content: Mapping[str, JsonValue]) -> Report:
    """Makes the record of a report.

    Raises:
        ValueError: the report has another schema, or a field with a value of another kind.
    """
    if content.get("schema") != SCHEMA:
        raise ValueError(
            f"report.json has schema {content.get('schema')!r}, this version reads {SCHEMA}; run it again."
        )
    provenance = _object(content, "provenance")
    return record_from(
        Report,
        {
            **_given(content),
            "locate": _section(content, "locate"),
            "verify": _noise(_section(content, "verify")),
            "enhance": _section(content, "enhance")
            | _given({"locate": _section(content, "enhance", "locate") or None}),
            "adapt": _section(content, "adapt"),
            "suites": _suites(content),
            "config": _config(_object(provenance, "config")),
            "repeats": _section(provenance, "overlap", "sets"),
            "provenance": provenance,
        },
    )


def read_suite(content: Mapping[str, JsonValue]) -> Suite:
    """Makes the record of a SUITE."""
    return record_from(Suite, _suite(content))


def measured(rate: Rate | None) -> Rate | None:
    """Returns a rate that has a value, and None for others."""
    return rate if rate is not None and rate.value is not None else None


def _given(content: Mapping[str, JsonValue]) -> JsonObject:
    """Leaves out entries that are null."""
    return {name: value for name, value in content.items() if value is not None}


def _object(content: JsonValue, *path: str) -> Mapping[str, JsonValue]:
    """Returns the object at a path. Empty if there is none."""
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if isinstance(content, Mapping) else {}


def _section(content: JsonValue, *path: str) -> JsonObject:
    """Returns the object at a path without its null entries."""
    return _given(_object(content, *path))


def _suites(content: Mapping[str, JsonValue]) -> dict[SuitePath, JsonObject]:
    paths = [*STARTS.items(), *(arm.path for arm in ARMS if arm.stage in STARTS)]
    found = {path: _object(content, *path) for path in paths}
    return {path: _suite(suite) for path, suite in found.items() if suite}


def _suite(content: Mapping[str, JsonValue]) -> JsonObject:
    rates = {name.removesuffix("_rate"): rate for name, rate in content.items() if name in RATES and rate}
    return {**_given(content), "rates": {**rates, **_object(content, "groups")}}


def _enhance(content: JsonObject) -> JsonObject:
    return content | ({"locate": _section(content, "locate")} if content.get("locate") else {})


def _noise(content: JsonObject) -> JsonObject:
    apart = {name: _noise_rates(_section(content, name)) for name in ("utility", "coherence") if name in content}
    return {**content, **apart, "safety": _noise_rates(content)}


def _noise_rates(content: JsonObject) -> JsonObject:
    baseline = {"baseline": content["baseline"]} if content.get("baseline") else {}
    return {**baseline, "arms": {name: content[name] for name in arms_of("verify") if content.get(name)}}


def _config(content: Mapping[str, JsonValue]) -> JsonObject:
    """Collects the settings that the page needs. A null setting leaves something out, and a missing one does not."""
    asked = {
        "verify": _object(content, "verify").get("ratios", True),
        "enhance": content.get("unaligned", True),
        "adapt": content.get("task", True),
    }
    suite = _object(content, "suite")
    sets = {"prompt_sets": [name for name, given in suite.items() if given]} if content.get("suite") is not None else {}
    return {
        **_given(content),
        **_section(content, "generate"),
        **sets,
        "refusals": _object(content, "refusals").get("refusals"),
        "stages_left_out": [stage for stage, given in asked.items() if not given],
        "arms": {stage: content[f"{stage}_arms"] for stage in STARTS if content.get(f"{stage}_arms") is not None},
        "has_utility": bool(_object(content, "calibration").get("utility", True)),
    }
