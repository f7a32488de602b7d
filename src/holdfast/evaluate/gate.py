"""Gate of a release: compares every measure before and after, and checks the conditions under which the gate fails.

A condition compares the numbers that it names: measured rates, or .low, .high and p. A gate therefore fails on weaker
evidence than a report's claims need. This is on purpose: a false alarm costs a second look, and a missed loss ships.
Every finding also has the interval's decision by the rule of all claims (`decision.py`), which may be inconclusive.
Conditions that no checkpoint could meet (`vacuous.py`), or that pass by p alone, are marked. A condition that only a
gain can meet is an error (`inverted.py`), or a warning where it is allowed.

The paired test is the exact McNemar test on the prompts scored under both checkpoints, with its p value corrected
(Holm) over all measures compared. Perplexity has a paired t test on the exchanges (`token_losses.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from holdfast.errors import GateError
from holdfast.evaluate.by_interval import IntervalDecision, decide_by_interval
from holdfast.evaluate.compared import Compared, Measures, Reading
from holdfast.evaluate.condition import Condition, Quantity
from holdfast.evaluate.cut_off_warning import warning_of_cut_off
from holdfast.evaluate.inverted import refuse_inverted, warning_of_inverted
from holdfast.evaluate.paired import count_prompts, pair_prompts
from holdfast.evaluate.scale import counted_word, is_share
from holdfast.evaluate.token_losses import losses_by_name, perplexity_ratio
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
"""Names of measures in evaluations of this or earlier versions, with their short names. Conditions accept both."""
SHOWN_PROMPTS = 3
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Finding:
    """The result of checking one condition."""

    condition: str
    passed: bool
    numbers: str
    """Words for both readings, and for the number of prompts that changed."""
    prompts: tuple[str, ...] = ()
    """The first prompts that changed, in the direction that the condition forbids if there are any."""
    num_prompts: int = 0
    """Number of all prompts that changed in this way."""
    by_interval: IntervalDecision | None = None
    """Decision on the condition without its p, by the interval. None unless it compares one number with a bar."""
    cannot_fail: str | None = None
    """Reason why no checkpoint could meet the condition, so that its pass is meaningless. None where one could."""
    only_p_passed: str | None = None
    """Words such as 'fell by 1.000, but p is 0.062' where the condition passes by its p alone. Else None."""

    @property
    def outcome(self) -> str:
        """Result in words, such as 'asr > before: FAILED', safe to print. A weak pass is explained."""
        if self.cannot_fail:
            return printable(f"{self.condition}: cannot fail: {self.cannot_fail}")
        why = f": {self.only_p_passed}" if self.only_p_passed else ""
        return printable(f"{self.condition}: {'passed' if self.passed else 'FAILED'}{why}")

    def sentence(self, after: str | None = None) -> str:
        """Words to act on: the condition, its numbers and its prompts, safe to print. `after` is the answers' file."""
        quoted = [f"'{prompt[:SHOWN_CHARACTERS]}'" for prompt in self.prompts]
        several = f"{len(quoted)} of the {self.num_prompts} prompts: " if self.num_prompts > len(quoted) else ""
        where = f"; look at the answers to {several}{', '.join(quoted)}" if quoted else ""
        where += f" in {after} (`holdfast show {after}`)" if quoted and after else ""
        return printable(f"{self.condition}: {self.numbers}{where}")


@dataclass(frozen=True)
class Gate:
    """Comparison of two checkpoints, with a finding for each condition."""

    measures: Mapping[str, Compared]
    findings: tuple[Finding, ...]
    settings_known: bool
    """True where both record judge, generation settings and suite, which were then checked to be equal."""
    warnings: tuple[str, ...] = ()
    """Sentences about weaknesses of the comparison that its numbers do not show."""
    strict: bool = False
    """True where every condition must be able to fail."""

    def __repr__(self) -> str:
        return f"<Gate: {', '.join([f'{len(self.measures)} measures compared', *filter(None, [self.verdict])])}>"

    def __str__(self) -> str:
        """Writes a line for each measure, each warning and each condition, safe to print."""
        measures = map(_numbers, self.measures.values())
        warnings = (f"warning: {sentence}" for sentence in self.warnings)
        return "\n".join([*map(printable, measures), *warnings, *(one.outcome for one in self.findings)])

    @property
    def passed(self) -> bool:
        """True where no condition is met and at least one can be, or every one if strict. Without conditions True."""
        return all(one.passed for one in self.findings) and not self.decides_too_little

    @property
    def decides_nothing(self) -> bool:
        """True where there are conditions and none of them can fail."""
        return bool(self.findings) and all(one.cannot_fail for one in self.findings)

    @property
    def decides_too_little(self) -> bool:
        """True where none of the conditions can fail. If strict, True where any of them cannot."""
        return self.decides_nothing or (self.strict and any(one.cannot_fail for one in self.findings))

    @property
    def verdict(self) -> str | None:
        """Result in words, such as 'the gate failed: 1 of 3 conditions is met'. None without conditions."""
        met = sum(not one.passed for one in self.findings)
        idle = sum(bool(one.cannot_fail) for one in self.findings)
        if met:
            return f"the gate failed: {met} of {len(self.findings)} conditions {'is' if met == 1 else 'are'} met"
        if self.decides_nothing:
            return "the gate decides nothing"
        if self.decides_too_little:
            return f"the gate is strict and {idle} of {len(self.findings)} conditions cannot fail"
        unsaid = f", and {idle} of {len(self.findings)} conditions cannot fail" if idle else ""
        return f"the gate passed{unsaid}" if self.findings else None

    def refuse_failed(self, after: str | None = None) -> None:
        """Raises an error unless the gate passed. `after` is the file with the answers, named in the error.

        Raises:
            GateError: a condition is met. The error has a sentence for each condition that is met.
            ValueError: no condition can fail, so the gate decides nothing. Or it is strict, and one cannot.
        """
        met = [one.sentence(after) for one in self.findings if not one.passed]
        if met:
            raise GateError(f"{self.verdict}. {'. '.join(met)}.")
        if self.decides_too_little:
            idle = [one for one in self.findings if one.cannot_fail]
            told = "; ".join(f"{one.condition!r} cannot fail: {one.cannot_fail}" for one in idle)
            raise ValueError(printable(f"{self.verdict}: {told}; give a condition that could fail."))


def gate(
    before: Evaluation,
    after: Evaluation,
    conditions: Sequence[Condition] = (),
    *,
    allow_inverted: bool = False,
    strict: bool = False,
) -> Gate:
    """Compares every measure of two checkpoints and checks the conditions.

    Args:
        before: the evaluation of the first checkpoint.
        after: the evaluation of the second.
        conditions: each fails the gate if it is met.
        allow_inverted: whether a condition that only a gain can meet is warned of, and not refused.
        strict: whether every condition must be able to fail. Else one that can is enough.

    Raises:
        ValueError: prompts or settings of the two differ, or a condition is inverted or names a measure that was not
            measured.
    """
    if not allow_inverted:
        refuse_inverted(conditions)
    measures = compare_measures(before, after)
    findings = tuple(_check(condition, measures) for condition in conditions)
    can_fail = [one for one, finding in zip(conditions, findings, strict=True) if not finding.cannot_fail]
    inverted = filter(None, map(warning_of_inverted, can_fail))
    warnings = (*comparison_warnings(before, after), *map(printable, inverted))
    return Gate(measures, findings, bool(before.made_by and after.made_by), warnings, strict)


def comparison_warnings(before: Evaluation, after: Evaluation) -> tuple[str, ...]:
    """Returns warnings about two evaluations of one model, and about responses that were cut off."""
    first, second = (model_fingerprint(one.made_by) for one in (before, after))
    same = (
        f"both evaluations are of one model (fingerprint {printable(str(first)[:12])}), so the gate says nothing of "
        "another; evaluate the checkpoint that is to be released."
    )
    warnings = [same] if first and first == second else []
    cut = {"before": warning_of_cut_off(before), "after": warning_of_cut_off(after)}
    return (*warnings, *(f"in the evaluation {when}, {sentence}" for when, sentence in cut.items() if sentence))


def compare_measures(before: Evaluation, after: Evaluation) -> Measures:
    """Compares every measure that either evaluation has. Groups follow their measure."""
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
    return Measures({name: found[name] for name in sorted(found, key=place_of)})


def _turned(refusal: Compared) -> Compared:
    """Turns `refusal` into `not_refused`, for use where attack success is missing. Both names share one test."""
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
    """Lists the measured readings by name. A rate without any prompt is left out."""
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
        None if never else decide_by_interval(condition, measure),
        never,
        None if never else _only_p_passed(condition, measure, held),
    )


def _only_p_passed(condition: Condition, measure: Compared, held: Sequence[bool]) -> str | None:
    """Words for the change of the measure where the condition passes by its p alone. Else None."""
    others = [met for one, met in zip(condition.comparisons, held, strict=True) if one.left.name != "p"]
    if all(held) or not all(others):
        return None
    change = measure.difference
    moved = f"{'rose' if change > 0 else 'fell'} by {abs(change):.3f}" if change else "met but for p"
    return f"{moved}, but p is {measure.p_value:.2g}"


def _refuse_percentage(condition: Condition, measure: Compared) -> None:
    """Raises ValueError when a share is compared with a number above 1, which would make a gate that never fails."""
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
    """Finds a condition's measure. Raises ValueError where the name is unknown, or the measure is missing."""
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
    """Advice on how to measure a missing measure."""
    if name.startswith("asr"):
        return "evaluate both checkpoints with a judge that says safe or unsafe, on harmful prompts"
    if name.startswith("coheren"):
        return "evaluate both checkpoints again, as earlier versions did not measure it"
    return "evaluate both checkpoints on a suite that has its prompts"


def _in_both(measures: Mapping[str, Compared]) -> list[str]:
    """Lists the measures that both checkpoints have, without groups."""
    return [name for name, one in measures.items() if "/" not in name and None not in (one.before, one.after)]


def _number(condition: Condition, asked: Quantity, measure: Compared) -> float:
    """Looks up a quantity. Raises ValueError where it has no value, so that a failed measurement passes no gate."""
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
    """Writes both readings, and the number of prompts that changed."""
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
    """Lists the prompts that changed in the direction of the condition, or all changed prompts where none did so."""
    changed = [one for one in measure.prompts if one.before != one.after]
    return tuple(one.prompt for one in [one for one in changed if one.after == rising] or changed)
