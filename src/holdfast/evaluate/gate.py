"""Whether a checkpoint may be released: every measure before and after, and the conditions under which it may not.

A condition is decided by the numbers that it names: the measured rates, unless it asks for .low, .high or p. So a gate
fails on less than the claims of a page do, on purpose: a false alarm costs a second look, a loss that was missed ships.
Beside each finding stands what the interval says by the rule of all claims (`decision.py`), which may be inconclusive.
A condition that no checkpoint could meet (`vacuous.py`) is marked, as its pass says nothing. So is one that passes by
its p alone. A condition that only a gain can meet is refused (`inverted.py`), or warned of where it is allowed.

Differences are of the rates as they were measured. The paired test is exact McNemar on the prompts scored under both,
its p value corrected (Holm) over all measures that are compared. Perplexity has a paired t test on the exchanges
(`token_losses.py`), where both files keep the loss on each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from holdfast.decision import Decision, Interval, decide
from holdfast.differences import Difference, paired_difference, rate_difference
from holdfast.errors import GateError
from holdfast.evaluate.condition import Condition, Quantity
from holdfast.evaluate.cut_off_warning import warning_of_cut_off
from holdfast.evaluate.inverted import refuse_inverted, warning_of_inverted
from holdfast.evaluate.paired import PairedPrompt, count_prompts, pair_prompts
from holdfast.evaluate.scale import counted_word, is_share
from holdfast.evaluate.statistics import PairedCounts
from holdfast.evaluate.token_losses import PerplexityRatio, losses_by_name, perplexity_ratio
from holdfast.evaluate.vacuous import why_never_met
from holdfast.holm import holm
from holdfast.made_by import model_fingerprint
from holdfast.measure_names import WORDS, place_of
from holdfast.outcomes import Evaluation, Rate
from holdfast.printable import printable
from holdfast.spelling import meant

MEASURES = tuple(name for name in WORDS if "/" not in name and name not in ("degenerate", "cut_off", "kl"))
"""Those that a condition may name though neither file has them: it then says what would measure them."""
LONG_NAMES = {
    "asr_prefilled/harmful": "asr_prefilled",
    "refusal/harmful": "refusal",
    "coherent_refusal/harmful": "coherent_refusal",
    "coherence/all": "coherence",
    "over_refusal/borderline": "borderline",
}
"""How an evaluation calls some of them, or did: both names are understood."""
SHOWN_PROMPTS = 3
SHOWN_CHARACTERS = 80
Reading = Rate | float


@dataclass(frozen=True)
class Compared:
    """One measure of two checkpoints; a reading is None where it was not measured."""

    name: str
    before: Reading | None
    after: Reading | None
    prompts: tuple[PairedPrompt, ...] = ()
    """Those that were scored under both."""
    paired: PairedCounts | None = None
    """They by cell; None where there are none."""
    corrected_p: float | None = None
    """The paired p value, corrected for the number of measures that are compared."""
    ratio: PerplexityRatio | None = None
    """Of perplexity alone, which has no pairs of verdicts: after over before, on the same exchanges."""

    @property
    def p_value(self) -> float | None:
        """Of the paired test; None where there is none."""
        test = self.paired or self.ratio
        return test and test.p_value

    @property
    def difference(self) -> float | None:
        """After minus before; None where one of the two has no value."""
        values = [one.value if isinstance(one, Rate) else one for one in (self.after, self.before)]
        return None if values[0] is None or values[1] is None else values[0] - values[1]

    @property
    def change(self) -> Difference | None:
        """After minus before with its interval; None where there is none, as with perplexity, which has a ratio."""
        if pair := self.paired:
            return paired_difference(pair.n, pair.only_before, pair.only_after)
        if self.ratio or not isinstance(self.before, Rate) or not isinstance(self.after, Rate):
            return None
        return rate_difference(self.before, self.after)


@dataclass(frozen=True)
class Finding:
    """What came of a condition."""

    condition: str
    passed: bool
    numbers: str
    """Both readings, and how many prompts changed."""
    prompts: tuple[str, ...] = ()
    """The first prompts that changed, in the direction that the condition forbids if there are any."""
    num_prompts: int = 0
    """How many prompts changed so, of which `prompts` are the first."""
    by_interval: Decision | None = None
    """Whether the condition, its p left out, holds by its interval; None unless it is about one number and a bar."""
    cannot_fail: str | None = None
    """Why no checkpoint could meet the condition, so that its pass says nothing; None where one could."""
    only_p_passed: str | None = None
    """'fell by 1.000, but p is 0.062' where all but the p value meets the condition; else None."""

    @property
    def outcome(self) -> str:
        """'asr > before: FAILED', safe to print; a pass that says little says why."""
        if self.cannot_fail:
            return printable(f"{self.condition}: cannot fail: {self.cannot_fail}")
        why = f": {self.only_p_passed}" if self.only_p_passed else ""
        return printable(f"{self.condition}: {'passed' if self.passed else 'FAILED'}{why}")

    def sentence(self, after: str | None = None) -> str:
        """What a person needs to act on it, safe to print; `after` is the file that holds the answers."""
        quoted = [f"'{prompt[:SHOWN_CHARACTERS]}'" for prompt in self.prompts]
        several = f"{len(quoted)} of the {self.num_prompts} prompts: " if self.num_prompts > len(quoted) else ""
        where = f"; look at the answers to {several}{', '.join(quoted)}" if quoted else ""
        where += f" in {after} (`holdfast show {after}`)" if quoted and after else ""
        return printable(f"{self.condition}: {self.numbers}{where}")


@dataclass(frozen=True)
class Gate:
    """Two checkpoints side by side, and what came of each condition."""

    measures: Mapping[str, Compared]
    findings: tuple[Finding, ...]
    settings_known: bool
    """Whether both say which judge, generation and suite made them; those that do are known to be the same."""
    warnings: tuple[str, ...] = ()
    """Sentences on what makes the comparison worth less than its numbers say."""

    def __repr__(self) -> str:
        return f"<Gate: {', '.join([f'{len(self.measures)} measures compared', *filter(None, [self.verdict])])}>"

    def __str__(self) -> str:
        """A line for each measure, each warning and each condition, safe to print."""
        measures = map(_numbers, self.measures.values())
        warnings = (f"warning: {sentence}" for sentence in self.warnings)
        return "\n".join([*map(printable, measures), *warnings, *(one.outcome for one in self.findings)])

    @property
    def passed(self) -> bool:
        """Whether no condition holds, and one could have; a gate without conditions passes."""
        return all(one.passed for one in self.findings) and not self.decides_nothing

    @property
    def decides_nothing(self) -> bool:
        """Whether there are conditions, and none of them can fail."""
        return bool(self.findings) and all(one.cannot_fail for one in self.findings)

    @property
    def verdict(self) -> str | None:
        """'the gate failed: 1 of 3 conditions is met', the same everywhere; None without conditions."""
        met = sum(not one.passed for one in self.findings)
        idle = sum(bool(one.cannot_fail) for one in self.findings)
        if met:
            return f"the gate failed: {met} of {len(self.findings)} conditions {'is' if met == 1 else 'are'} met"
        if self.decides_nothing:
            return "the gate decides nothing"
        unsaid = f", and {idle} of {len(self.findings)} conditions cannot fail" if idle else ""
        return f"the gate passed{unsaid}" if self.findings else None

    def refuse_failed(self, after: str | None = None) -> None:
        """Raises GateError with a sentence a condition that is met; `after` is the file that holds the answers.

        Raises:
            ValueError: no condition can fail, so nothing was decided.
        """
        met = [one.sentence(after) for one in self.findings if not one.passed]
        if met:
            raise GateError(f"{self.verdict}. {'. '.join(met)}.")
        if self.decides_nothing:
            told = "; ".join(f"{one.condition!r} cannot fail: {one.cannot_fail}" for one in self.findings)
            raise ValueError(printable(f"{self.verdict}: {told}; give a condition that could fail."))


def gate(
    before: Evaluation, after: Evaluation, conditions: Sequence[Condition] = (), *, allow_inverted: bool = False
) -> Gate:
    """Compares every measure of two checkpoints and checks the conditions.

    Args:
        before: the evaluation of the first checkpoint.
        after: the evaluation of the second.
        conditions: each fails the gate if it is met.
        allow_inverted: whether a condition that only a gain can meet is warned of, and not refused.

    Raises:
        ValueError: the two are not of the same prompts and settings, or a condition asks what was not measured or is
            the wrong way round.
    """
    if not allow_inverted:
        refuse_inverted(conditions)
    measures = compare_measures(before, after)
    findings = tuple(_check(condition, measures) for condition in conditions)
    can_fail = [one for one, finding in zip(conditions, findings, strict=True) if not finding.cannot_fail]
    inverted = filter(None, map(warning_of_inverted, can_fail))
    warnings = (*comparison_warnings(before, after), *map(printable, inverted))
    return Gate(measures, findings, bool(before.made_by and after.made_by), warnings)


def comparison_warnings(before: Evaluation, after: Evaluation) -> tuple[str, ...]:
    """Warns of two evaluations of one model, and of responses that were cut off."""
    first, second = (model_fingerprint(one.made_by) for one in (before, after))
    same = (
        f"both evaluations are of one model (fingerprint {printable(str(first)[:12])}), so the gate says nothing of "
        "another; evaluate the checkpoint that is to be released."
    )
    warnings = [same] if first and first == second else []
    cut = {"before": warning_of_cut_off(before), "after": warning_of_cut_off(after)}
    return (*warnings, *(f"in the evaluation {when}, {sentence}" for when, sentence in cut.items() if sentence))


def compare_measures(before: Evaluation, after: Evaluation) -> dict[str, Compared]:
    """Every measure that one of the two has, groups behind what they are part of."""
    then, now = _readings(before), _readings(after)
    pairs = {LONG_NAMES.get(name, name): found for name, found in pair_prompts(before, after).items()}
    names = sorted(then.keys() | now.keys(), key=place_of)
    losses = [losses_by_name(one.losses) for one in (before, after)]
    found = {
        name: Compared(
            name,
            then.get(name),
            now.get(name),
            tuple(pairs.get(name, ())),
            count_prompts(pairs[name]) if name in pairs else None,
            ratio=perplexity_ratio(*(one.get(name, []) for one in losses)),
        )
        for name in names
    }
    p_values = {name: one.p_value for name, one in found.items() if one.p_value is not None}
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    found = {name: replace(one, corrected_p=corrected.get(name)) for name, one in found.items()}
    if "asr" not in found and "refusal" in found:
        found["not_refused"] = _turned(found["refusal"])
    return {name: found[name] for name in sorted(found, key=place_of)}


def _turned(refusal: Compared) -> Compared:
    """Harmful prompts that were not refused, where nobody measured attack success: one test under two names."""
    before, after = (one.complement if isinstance(one, Rate) else None for one in (refusal.before, refusal.after))
    prompts = tuple(replace(one, before=not one.before, after=not one.after) for one in refusal.prompts)
    return replace(
        refusal,
        name="not_refused",
        before=before,
        after=after,
        prompts=prompts,
        paired=count_prompts(prompts) if prompts else None,
    )


def _readings(evaluation: Evaluation) -> dict[str, Reading]:
    """What was measured, by name; a rate of no prompts at all was not."""
    named = {"asr": evaluation.asr, "over_refusal": evaluation.over_refusal, "utility": evaluation.utility}
    named |= {"task": evaluation.task} if evaluation.task else {}
    named |= {LONG_NAMES.get(name, name): rate for name, rate in evaluation.groups.items()}
    found: dict[str, Reading] = {name: rate for name, rate in named.items() if rate.n or rate.unscored}
    surprise = evaluation.perplexity_rate or evaluation.perplexity
    return found | ({"perplexity": surprise} if surprise is not None else {})


def _check(condition: Condition, measures: Mapping[str, Compared]) -> Finding:
    measure = _find(condition, measures)
    _refuse_percentage(condition, measure)

    def look_up(asked: Quantity) -> float:
        return _number(condition, asked, measure)

    # Each is decided, not only the first that is false: none may hide that another can't be.
    held = [one.holds(look_up) for one in condition.comparisons]
    failed = all(held)
    never = None if failed else why_never_met(replace(condition, measure=measure.name), measure.before, look_up)
    changed = _changed(measure, rising=">" in condition.comparisons[0].operator) if failed else ()
    return Finding(
        condition.text,
        not failed,
        _numbers(measure),
        changed[:SHOWN_PROMPTS],
        len(changed),
        None if never else _decide_by_interval(condition, measure),
        never,
        None if never else _only_p_passed(condition, measure, held),
    )


def _only_p_passed(condition: Condition, measure: Compared, held: Sequence[bool]) -> str | None:
    """How far the measure moved where p alone keeps the condition from being met; None where it does not."""
    others = [met for one, met in zip(condition.comparisons, held, strict=True) if one.left.name != "p"]
    if all(held) or not all(others):
        return None
    change = measure.difference
    moved = f"{'rose' if change > 0 else 'fell'} by {abs(change):.3f}" if change else "met but for p"
    return f"{moved}, but p is {measure.p_value:.2g}"


def _decide_by_interval(condition: Condition, measure: Compared) -> Decision | None:
    """The condition but for its p, by the rule of all claims: the measure, or its change, against the number added."""
    one, *others = (one for one in condition.comparisons if one.left.name != "p")
    if others or one.left.end != "value":
        return None
    bar = sum(sign * term for sign, term in one.terms if isinstance(term, float))
    looked_up = [(sign, term) for sign, term in one.terms if isinstance(term, Quantity)]
    if not looked_up:
        interval = _interval(measure.after)
    elif looked_up == [(1, Quantity("before"))]:
        interval = _change_interval(measure)
    else:
        return None
    return None if interval is None else decide(interval, bar, claimed="above" if ">" in one.operator else "below")


def _change_interval(measure: Compared) -> Interval | None:
    """Of after minus before; of perplexity it is the interval of the ratio, less 1, times what was measured before."""
    if measure.ratio and isinstance(measure.before, Rate) and measure.before.value is not None:
        return measure.before.value * (measure.ratio.low - 1), measure.before.value * (measure.ratio.high - 1)
    return measure.change and measure.change.interval


def _interval(reading: Reading | None) -> Interval | None:
    if not isinstance(reading, Rate) or reading.low is None or reading.high is None:
        return None
    return reading.low, reading.high


def _refuse_percentage(condition: Condition, measure: Compared) -> None:
    """Raises ValueError when a share is compared with a number that no share reaches: such a gate could never fail."""
    if not is_share(measure.name):
        return
    for one in condition.comparisons:
        numbers = [abs(term) for _, term in one.terms if isinstance(term, float)]
        if one.left.end != "unscored" and max(numbers, default=0.0) > 1:
            raise ValueError(
                f"the condition {condition.text!r} compares a share, which is at most 1, with {max(numbers):g}; "
                f"write 2% as 0.02."
            )


def _find(condition: Condition, measures: Mapping[str, Compared]) -> Compared:
    """The measure that a condition is about; ValueError where there is none of that name, or it was not measured."""
    name = LONG_NAMES.get(condition.measure, condition.measure)
    known = sorted({*MEASURES, *measures}, key=place_of)
    if name.startswith("kl/") and not any(one.startswith("kl/") for one in known):
        raise ValueError(
            f"the condition {condition.text!r} asks for {name!r}, which was not measured; evaluate both checkpoints "
            "with --reference."
        )
    if name not in known:
        raise ValueError(
            f"the condition {condition.text!r} names an unknown measure {name!r}; {printable(meant(name, known))}, "
            "each with .low, .high and .unscored."
        )
    found = measures.get(name, Compared(name, None, None))
    for reading, which in ((found.before, "before"), (found.after, "after")):
        if reading is None:
            raise ValueError(
                f"the condition {condition.text!r} asks for {name!r}, which was not measured {which}; {_needs(name)}, "
                f"or ask for a measure of both: {printable(', '.join(_in_both(measures)))}."
            )
    return found


def _needs(name: str) -> str:
    """What would measure it."""
    if name.startswith("asr"):
        return "evaluate both checkpoints with a judge that says safe or unsafe, on harmful prompts"
    if name.startswith("coheren"):
        return "evaluate both checkpoints again, as earlier versions did not measure it"
    return "evaluate both checkpoints on a suite that has its prompts"


def _in_both(measures: Mapping[str, Compared]) -> list[str]:
    """The measures that both checkpoints have, but for groups."""
    return [name for name, one in measures.items() if "/" not in name and None not in (one.before, one.after)]


def _number(condition: Condition, asked: Quantity, measure: Compared) -> float:
    """What a quantity is; ValueError where it has no value: what could not be measured passes no gate."""
    if asked.name == "p":
        number, what = measure.p_value, "paired p"
    else:
        reading, which = (measure.before, "before") if asked.name == "before" else (measure.after, "after")
        number = (
            reading if asked.end == "value" and not isinstance(reading, Rate) else getattr(reading, asked.end, None)
        )
        what = f"{'value' if asked.end == 'value' else '.' + asked.end} {which}"
    if number is None:
        raise ValueError(
            f"the condition {condition.text!r} cannot be decided, as there is no {what}: "
            f"{printable(_numbers(measure))}; evaluate again, or ask for what was measured."
        )
    return float(number)


def _numbers(measure: Compared) -> str:
    """Both readings, and how many prompts changed."""
    text = f"{measure.name} was {_reading_words(measure.before)} and is {_reading_words(measure.after)}"
    if ratio := measure.ratio:
        text += f"; {ratio.value:.3f} times [{ratio.low:.3f}, {ratio.high:.3f}] on the same {ratio.n} exchanges"
        return f"{text}, paired p {ratio.p_value:.2g}, {measure.corrected_p:.2g} corrected"
    if measure.paired is None:
        return text
    pair = measure.paired
    return (
        f"{text}; of {pair.n} prompts scored under both {pair.only_after} became {counted_word(measure.name)} and "
        f"{pair.only_before} ceased to be, paired p {pair.p_value:.2g}, {measure.corrected_p:.2g} corrected"
    )


def _reading_words(reading: Reading | None) -> str:
    if reading is None:
        return "not measured"
    return f"{reading:.3f}" if isinstance(reading, Rate) else f"{reading:.6g}"


def _changed(measure: Compared, *, rising: bool) -> tuple[str, ...]:
    """The prompts that count now and did not, or the other way about; all that changed where there are none."""
    changed = [one for one in measure.prompts if one.before != one.after]
    return tuple(one.prompt for one in [one for one in changed if one.after == rising] or changed)
