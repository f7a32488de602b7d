"""The result of checking one condition of a gate, in numbers and in words."""

from dataclasses import dataclass
from functools import cached_property

from holdfast.counts import counted
from holdfast.evaluate.compared import UnscoredPrompt
from holdfast.evaluate.evidence import Scale
from holdfast.evaluate.exact_paired import LEVEL
from holdfast.evaluate.looked_up import change_of, numbers_of, paired_numbers_of, readings_of
from holdfast.evaluate.paired import PairedPrompt
from holdfast.evaluate.undecided import NOUNS, remedies, shown, why_undecided
from holdfast.evaluate.weighing import GateOutcome, Part, Weighed
from holdfast.moved_prompts import which_prompts
from holdfast.p_values import p_text
from holdfast.printable import printable
from holdfast.spelling import capitalize_first

SHOWN_PROMPTS = 3
SHOWN_CHARACTERS = 80
WORDS: dict[GateOutcome, str] = {"fails": "FAILED", "passes": "passed", "undecided": "UNDECIDED"}


@dataclass(frozen=True)
class Bounds:
    """The number that decided a condition, and its threshold."""

    value: float
    low: float
    """The number is at least this, which is wrong in at most 5% of cases."""
    high: float
    """The number is at most this, which is wrong in at most 5% of cases."""
    bar: float
    scale: Scale
    """Kind of number: the change of the measure, its value after, or its value as a multiple of that before."""
    n: int
    unit: str
    rising: bool = True
    """True if numbers above the threshold meet the condition. False if those below it do."""

    @classmethod
    def of(cls, part: Part) -> "Bounds | None":
        """Takes the bounds from the evidence on a comparison. None without evidence.

        The bound on the side of the threshold counts the lost prompts against the model.
        """
        found = part.evidence
        if found is None:
            return None
        low, high = found.bounds
        if part.against and part.against.evidence:
            worst = part.against.evidence.bounds
            low, high = (low, max(high, worst[1])) if part.rising else (min(low, worst[0]), high)
        return cls(found.value, low, high, part.bar, found.scale, found.n, found.unit, part.rising)

    def __str__(self) -> str:
        """Writes the number with its bounds and the threshold: 'change +0.120, at least +0.078, ...'."""
        value, low, high, bar = (shown(number, self.scale) for number in (self.value, self.low, self.high, self.bar))
        unit = f"n={self.n:,} {self.unit}"
        return f"{NOUNS[self.scale]} {value}, at least {low}, at most {high}, threshold {bar}, {unit}"


@dataclass(frozen=True)
class Finding:
    """The result of checking one condition."""

    outcome: GateOutcome
    weighed: Weighed
    p_fails: float | None = None
    """p value against a wrong failure, corrected for the number of conditions (Holm). None if nothing is tested."""
    num_tested: int = 1
    """Number of conditions for which the p value is corrected."""
    cannot_fail: str | None = None
    """Reason why no checkpoint could meet the condition, so that its pass is meaningless. None where one could."""

    def __repr__(self) -> str:
        bounds = f", {self.bounds}" if self.bounds else ""
        return printable(f"<Finding: {self.condition!r} {self._word}{bounds}>")

    @property
    def _word(self) -> str:
        return "cannot fail" if self.cannot_fail else WORDS[self.outcome]

    @property
    def condition(self) -> str:
        """The condition's text."""
        return self.weighed.condition.text

    @property
    def passed(self) -> bool:
        """True if the condition is shown not to be met."""
        return self.outcome == "passes"

    @property
    def p_passes(self) -> float | None:
        """P value against a wrong pass. None if nothing is tested."""
        return self.weighed.p_passes

    @property
    def numbers(self) -> str:
        """Words for both readings, and for the number of prompts that changed."""
        return numbers_of(self.weighed.measure)

    @property
    def counts_unscored(self) -> bool:
        """True for a condition on .unscored, whose prompts are those without a score."""
        return self.weighed.condition.comparisons[0].left.end == "unscored"

    @property
    def changed(self) -> tuple[PairedPrompt | UnscoredPrompt, ...]:
        """Prompts that changed in the direction that the condition forbids, or all that changed if none did so.

        For a condition on .unscored they are the prompts without a score after. Empty if the condition passed.
        """
        if self.passed:
            return ()
        if self.counts_unscored:
            return self.weighed.measure.unscored
        worse, better = self._moved
        return worse or better

    @property
    def num_worse(self) -> int:
        """Number of prompts that changed in the direction that the condition forbids."""
        return len(self._moved[0])

    @property
    def num_better(self) -> int:
        """Number of prompts that changed in the other direction."""
        return len(self._moved[1])

    @cached_property
    def _moved(self) -> tuple[tuple[PairedPrompt, ...], tuple[PairedPrompt, ...]]:
        rising = ">" in self.weighed.condition.comparisons[0].operator
        changed = [one for one in self.weighed.measure.prompts if one.before != one.after]
        worse, better = ([one for one in changed if (one.after == rising) == way] for way in (True, False))
        return tuple(worse), tuple(better)

    @property
    def prompts(self) -> tuple[str, ...]:
        """The first of the prompts that changed."""
        return tuple(one.prompt for one in self.changed[:SHOWN_PROMPTS])

    @cached_property
    def bounds(self) -> Bounds | None:
        """Bounds of the number that decided, or that stayed open. None if none is tested, or it has no interval."""
        tested = self.weighed.tested
        if not tested:
            return None
        if self.passed:
            return Bounds.of(min(tested, key=lambda part: part.p_value(holds=False)))
        return Bounds.of(max(tested, key=lambda part: part.p_value(holds=True)))

    @cached_property
    def why_undecided(self) -> str | None:
        """Reason why the prompts cannot decide, and how many would. None if they decide."""
        if self.outcome != "undecided" or self.cannot_fail:
            return None
        return ". ".join(self._reasons)

    @cached_property
    def _reasons(self) -> list[str]:
        return why_undecided(self.weighed, LEVEL / max(1, self.num_tested))

    @property
    def remedies(self) -> list[str]:
        """Ways to decide a condition that is undecided. Empty if it is decided."""
        return [] if self.why_undecided is None else remedies(self.weighed, LEVEL / max(1, self.num_tested))

    @property
    def words(self) -> str:
        """Result in words, such as 'asr > before: FAILED', safe to print."""
        if self.cannot_fail:
            return printable(f"{self.condition}: cannot fail: {self.cannot_fail}")
        why = f": {self.why_undecided}" if self.why_undecided else ""
        return printable(f"{self.condition}: {WORDS[self.outcome]}{why}")

    @property
    def line(self) -> str:
        """Result in words with the measured number, its bounds and the threshold."""
        why = self.cannot_fail or self.why_undecided
        numbers = None if self.cannot_fail or not self.bounds else str(self.bounds)
        return ": ".join(filter(None, [self.condition, self._word, numbers, why]))

    @property
    def headline(self) -> str:
        """The condition and the change in a few words, safe to print."""
        change = change_of(self.weighed.measure)
        if self.counts_unscored:
            change = f"{counted(len(self.weighed.measure.unscored), 'prompt')} have no score after"
        return printable(f"{self.condition}{' is met' if self.outcome == 'fails' else ''}, {change}")

    def details(self, after: str | None = None, prompts: int = 0, quote: str = "") -> list[str]:
        """Lists sentences with the numbers and the prompts to look at, safe to print.

        Args:
            after: file of the answers of the second model. None where no file holds them.
            prompts: number of prompts that are quoted. They may be harmful.
            quote: words for what quotes prompts here.
        """
        measure = self.weighed.measure
        lines = [capitalize_first(line) for line in self._reasons] if self.outcome == "undecided" else []
        lines += [f"Measured: {readings_of(measure)}", capitalize_first(paired_numbers_of(measure))]
        if self.outcome == "fails":
            several = f", corrected for {self.num_tested} conditions" if self.num_tested > 1 else ""
            own = "" if self.p_fails is None else f"The condition's own p: {p_text(self.p_fails)}, one-sided{several}"
            lines += [own, self._looked_at(after, prompts, quote)]
        return [f"{printable(line)}." for line in lines if line]

    def _looked_at(self, after: str | None, prompts: int, quote: str) -> str:
        """Says how many prompts changed, where their answers are, and the first prompts if they are to be quoted."""
        if not self.changed:
            return ""
        where = f" in {after} (`holdfast show {after}`)" if after else ""
        which = f"the {which_prompts(len(self.changed), self.num_worse, self.counts_unscored)}"
        quoted = [f"'{one.prompt[:SHOWN_CHARACTERS]}'" for one in self.changed[:prompts]]
        if not quoted:
            return f"Look at the answers to {which}{where}. {capitalize_first(quote)} quotes some of them here"
        some = f"{len(quoted)} of " if len(self.changed) > len(quoted) else ""
        return f"Look at the answers to {some}{which}{where}: {', '.join(quoted)}"
