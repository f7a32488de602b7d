"""One measure of two checkpoints side by side: both readings, the prompts that were paired, and the tests."""

from dataclasses import dataclass, field

from holdfast.counts import counted
from holdfast.differences import Difference, paired_difference, rate_difference
from holdfast.evaluate.paired import PairedPrompt
from holdfast.evaluate.paired_mean import PairedMean
from holdfast.evaluate.scale import Scale, scale_by_name
from holdfast.evaluate.statistics import PairedCounts
from holdfast.evaluate.token_losses import PerplexityRatio
from holdfast.outcomes import Rate
from holdfast.printable import printable
from holdfast.spelling import meant

Reading = Rate | float


@dataclass(frozen=True)
class Lost:
    """Prompts that were scored before, of which all or some responses have no score after.

    Nobody knows how they would have been scored. So both extremes are kept.
    """

    count: int
    """Number of these prompts."""
    total: int
    """Number of prompts that were scored before."""
    counted: "Compared"
    """The measure if each of their missing scores were the largest possible one."""
    uncounted: "Compared"
    """The measure if each of them were the smallest possible one."""

    def towards(self, *, rising: bool) -> "Compared":
        """The extreme that comes closest to a condition which large numbers meet, or small ones."""
        return self.counted if rising else self.uncounted


@dataclass(frozen=True)
class UnscoredPrompt:
    """A prompt without a score after: whether it counted before, or None, and both responses."""

    prompt: str
    before: bool | None
    responses: tuple[str, str] = field(default=("", ""), repr=False)
    after: None = None


@dataclass(frozen=True)
class Compared:
    """One measure of two checkpoints. A reading is None where the measure is missing."""

    name: str
    before: Reading | None
    after: Reading | None
    prompts: tuple[PairedPrompt, ...] = ()
    """Prompts that were scored under both checkpoints."""
    paired: PairedCounts | None = None
    """Counts of these prompts in four cells. None where there are no such prompts."""
    corrected_p: float | None = None
    """The paired p value, corrected for the number of measures compared."""
    ratio: PerplexityRatio | None = None
    """Ratio of perplexities after and before on the same exchanges. None for other measures, which have pairs."""
    shares: tuple[tuple[float, float], ...] = ()
    """Share of each prompt's samples that count, before and after. Empty if every prompt has one sample."""
    lengths: PairedMean | None = None
    """Change of the mean response length on the same prompts. None for other measures."""
    mean: PairedMean | None = None
    """Change of the mean of a log's numbers on the same samples. None for shares, and in evaluations."""
    scale: Scale | None = None
    """The values that the measure can have. None where its name tells, as for all measures of evaluations."""
    lost: Lost | None = None
    """Prompts that were scored before and not after. None without any."""
    unscored: tuple[UnscoredPrompt, ...] = ()
    """Prompts without a score after. Those that were scored before come first."""

    def __repr__(self) -> str:
        change = f", change {self.change}" if self.change else ""
        prompts = counted(len(self.prompts), "prompt")
        return f"<Compared: {self.name} {self.before} before, {self.after} after{change}, {prompts}>"

    @property
    def p_value(self) -> float | None:
        """The p value of the paired test, or None where there is none."""
        test = self.paired or self.ratio or self.lengths or self.mean
        return test and test.p_value

    @property
    def is_unchanged(self) -> bool:
        """True where both readings are equal, no prompt changed, and none was lost."""
        moved = self.paired is not None and (self.paired.only_after or self.paired.only_before)
        return self.difference == 0 and not moved and self.lost is None and self.p_value in (None, 1.0)

    @property
    def known_scale(self) -> Scale:
        """The values that the measure can have."""
        return self.scale or scale_by_name(self.name)

    @property
    def difference(self) -> float | None:
        """Value after minus value before. None where one of the two is missing."""
        values = [one.value if isinstance(one, Rate) else one for one in (self.after, self.before)]
        return None if values[0] is None or values[1] is None else values[0] - values[1]

    @property
    def change(self) -> Difference | None:
        """Difference after minus before, with its interval. None where there is none, as for perplexity's ratio."""
        if pair := self.paired:
            return paired_difference(pair.n, pair.only_before, pair.only_after)
        if mean := self.lengths or self.mean:
            return Difference(mean.value, mean.low, mean.high)
        if self.ratio or not isinstance(self.before, Rate) or not isinstance(self.after, Rate):
            return None
        return rate_difference(self.before, self.after)


class Measures(dict[str, Compared]):
    """Compared measures by name. An unknown name is an error that suggests the nearest one."""

    def __missing__(self, name: object) -> Compared:
        """Raises ValueError with the nearest measured name, and all measured names."""
        near = printable(meant(str(name), self))
        raise ValueError(f"neither evaluation has a measure {printable(repr(name))}; {near}.")
