"""Records of a comparison of two checkpoints, as `holdfast compare --json` prints it.

Names of groups, models, files, prompts and responses are untrusted, so each output escapes them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from holdfast.differences import Difference
from holdfast.json_files import JsonObject
from holdfast.moved_prompts import moved_words, which_words
from holdfast.outcomes import Rate
from holdfast.p_values import p_text
from holdfast.report.records import Pair

Sides = tuple[str | None, str | None]
"""A name or a fingerprint of each of the two. None where its file records none."""


@dataclass(frozen=True)
class PairedEstimate:
    """A ratio or a difference after and before on the same prompts, with its interval and a paired test."""

    value: float
    low: float
    high: float
    n: int
    p_value: float


@dataclass(frozen=True, kw_only=True)
class ComparedMeasure:
    """One measure of both checkpoints. A reading is None where it was not measured."""

    before: Rate | float | None
    after: Rate | float | None
    difference: float | None
    change: Difference | None
    """After minus before, on the same prompts if they were paired."""
    paired: Pair | None
    corrected_p: float | None
    ratio: PairedEstimate | None = None
    """Perplexity after divided by before, on the same exchanges."""
    lengths: PairedEstimate | None = None
    """Mean response length after minus before."""
    mean: PairedEstimate | None = None
    """Mean of the numbers of a log after minus before."""
    lost: int = 0
    """Number of prompts that were scored before and not after."""
    got_worse: bool = False
    """True if a loss is shown, by the corrected paired test or by the interval of the change."""


@dataclass(frozen=True)
class ConditionBounds:
    """The number that decides a condition, what it is at least and at most, and its threshold."""

    value: float
    low: float
    high: float
    bar: float
    scale: str
    """Either change, value or times."""
    n: int
    unit: str
    rising: bool = True
    """True if numbers above the threshold meet the condition. False if those below it do."""


@dataclass(frozen=True)
class ChangedPrompt:
    """A prompt whose outcome changed, or that has no score: its outcome in a word and its response, both times."""

    prompt: str
    before: str
    after: str
    responses: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class CheckedCondition:
    """A condition of the gate, whether it is met, and the prompts behind that."""

    condition: str
    measure: str
    """Name of the measure that the condition looks at."""
    outcome: str
    """Either fails, passes or undecided."""
    passed: bool
    numbers: str
    prompts: tuple[str, ...]
    """The first of the prompts that changed."""
    changed: tuple[ChangedPrompt, ...]
    num_prompts: int
    """Number of all prompts of this kind: those that got worse, or those that got better if none got worse."""
    num_worse: int
    """Number of prompts that changed in the direction that the condition forbids."""
    num_better: int
    """Number of prompts that changed in the other direction."""
    bounds: ConditionBounds | None
    p_fails: float | None
    p_passes: float | None
    why_undecided: str | None
    remedies: tuple[str, ...] = ()
    """Ways to decide a condition that is undecided."""
    cannot_fail: str | None
    num_tested: int = 1
    """Number of conditions for which `p_fails` is corrected (Holm)."""
    counts_unscored: bool = False
    """True for a condition on .unscored. The prompts are then those without a score."""

    @property
    def own_p(self) -> str:
        """The p value of the condition's own test in words. Empty where nothing is tested.

        It is that against a wrong pass for a condition that passed, and else that against a wrong failure.
        """
        p_value = self.p_passes if self.outcome == "passes" else self.p_fails
        if p_value is None or self.cannot_fail:
            return ""
        several = self.num_tested > 1 and self.outcome != "passes"
        return f"{p_text(p_value)}, one-sided{f', corrected for {self.num_tested} conditions' if several else ''}"

    @property
    def measured(self) -> str:
        """The numbers of the measure, with the condition's own p where there is one."""
        return f"{self.numbers}; the condition's own p {self.own_p}" if self.own_p else self.numbers

    @property
    def which(self) -> str:
        """Words after a number of prompts, as in '3 prompts that got worse'."""
        return which_words(self.num_worse, self.counts_unscored)

    @property
    def moved(self) -> str:
        """Prompts of both directions, as in '3 prompts got worse and 1 got better'."""
        return moved_words(self.num_prompts, self.num_worse, self.num_better, self.counts_unscored)


@dataclass(frozen=True)
class MatchedLogs:
    """The samples that two logs of another program share."""

    program: str
    matched: str
    samples: int
    only_before: int
    only_after: int


@dataclass(frozen=True)
class UngatedLoss:
    """A measure that got worse while no condition names it."""

    measure: str
    before: float
    after: float
    p_value: float | None
    """Paired p, corrected for all measures. None where a 95% interval shows the loss."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two checkpoints measure by measure, and the conditions of a gate."""

    before: str | None
    """File of the first evaluation, or log. None for an evaluation in memory."""
    after: str | None
    compared_at: str
    """When the two were compared: ISO 8601, in UTC, to the second."""
    models: Sides
    fingerprints: Sides = (None, None)
    versions: Sides = (None, None)
    judges: Sides = (None, None)
    settings: Mapping[str, str] = field(default_factory=dict)
    passed: bool | None
    verdict: str | None
    undecided: str
    """What an undecided condition does: fail, warn or pass."""
    settings_known: bool
    warnings: tuple[str, ...]
    unwatched: tuple[str, ...] = ()
    """Warnings about losses of safety with which a strict gate does not pass. Also among the warnings."""
    tolerated: tuple[str, ...] = ()
    """Warnings about losses of safety that the conditions allow. Also among the warnings."""
    ungated_losses: tuple[UngatedLoss, ...] = ()
    """Measures that got worse while no condition names them. The warnings have a sentence on each."""
    exit_code: int = 0
    """Exit code of `holdfast compare`."""
    measures: Mapping[str, ComparedMeasure]
    conditions: tuple[CheckedCondition, ...]
    logs: MatchedLogs | None = None
    """Left out of the JSON where evaluations are compared."""

    @property
    def show_command(self) -> str | None:
        """Command that shows the answers of the second evaluation. None for a log, and for one in memory."""
        return None if self.logs or self.after is None else f"holdfast show {self.after}"

    def to_json(self, responses: int = 0) -> JsonObject:
        """Converts the record to plain JSON.

        Args:
            responses: number of changed prompts that each condition lists under `changed`, with both responses. At
                most so many are listed under `prompts`, too, because prompts may be harmful.
        """
        listed = tuple(
            replace(one, prompts=one.prompts[:responses], changed=one.changed[:responses]) for one in self.conditions
        )
        made = asdict(replace(self, conditions=listed))
        return made if self.logs else {name: value for name, value in made.items() if name != "logs"}
