"""Gate of a release: compares every measure before and after, and checks the conditions under which the gate fails.

Every condition has one of three outcomes (`weighing.py`): it fails, it passes, or these prompts cannot decide it. Each
is shown by a one-sided test at a level of 5%, so a gate that says "passed" could have said "failed". By default a gate
that cannot decide does not pass, because a missed loss ships and a second look is cheap.
Conditions that no checkpoint could meet are marked (`vacuous.py`). A condition that only a gain can meet is an error
(`inverted.py`), or a warning where it is allowed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Literal, get_args

from holdfast.arguments import checked_call
from holdfast.counts import agreeing, counted
from holdfast.evaluate.compared import Compared
from holdfast.evaluate.condition import Condition
from holdfast.evaluate.cut_off_warning import warning_of_cut_off
from holdfast.evaluate.finding import Finding
from holdfast.evaluate.gate_failure import require_passed
from holdfast.evaluate.gate_json import gate_json
from holdfast.evaluate.gate_side import GateSide, side_of
from holdfast.evaluate.gate_text import gate_text
from holdfast.evaluate.inverted import refuse_inverted, warning_of_inverted
from holdfast.evaluate.logs.matching import Matched
from holdfast.evaluate.looked_up import find_measure, number_of
from holdfast.evaluate.lost import warning_of_lost
from holdfast.evaluate.measures import compare_measures
from holdfast.evaluate.mistrusted import warning_of_mistrust
from holdfast.evaluate.other_forms import warnings_of_form
from holdfast.evaluate.steered import warnings_of_steering
from holdfast.evaluate.suspicious import refuse_unknown_rules, warning_of_same_responses
from holdfast.evaluate.tolerated import LARGE, Tolerated, tolerated_losses
from holdfast.evaluate.ungated import sentence_of, ungated_losses
from holdfast.evaluate.unwatched import sentence_of_unwatched, unwatched_losses
from holdfast.evaluate.vacuous import why_never_met
from holdfast.evaluate.weighing import Weighed, correct, weigh
from holdfast.json_files import JsonObject
from holdfast.made_by import model_fingerprint, model_name
from holdfast.outcomes import Evaluation
from holdfast.printable import printable

NOTHING_DECIDED = (
    "no condition was decided, so exit code 0 says nothing about the new model; give more prompts, or make the gate "
    "strict: it then ends with exit code 3."
)
NO_CONDITION = "no condition looks at a loss of safety"
SPARED = "one part of a condition keeps it from failing a loss"
TOO_WIDE = f"its conditions allow a loss of more than {LARGE:g}"
Undecided = Literal["fail", "warn", "pass"]
"""What a condition does that cannot be decided: the gate fails, it passes with a warning, or it passes."""


@dataclass(frozen=True)
class GateOptions:
    """Options of a gate."""

    allow_inverted: bool = False
    """True warns of a condition that only a gain can meet. False refuses it."""
    strict: bool = False
    """True asks that every condition can fail. With False one that can is enough."""
    undecided: Undecided = "fail"
    """What a condition does that the prompts cannot decide."""
    allow_mismatch: bool = False
    """True gates two logs of another program that differ in more than the model. False refuses them."""
    allow_unchanged: bool = False
    """True gates two evaluations of models with the same weights. False refuses them."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


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
    undecided: Undecided = "fail"
    """What a condition does that cannot be decided."""
    unwatched: tuple[str, ...] = ()
    """Sentences about measures of safety that got worse while no condition looks at them. Also among the warnings."""
    tolerated: tuple[Tolerated, ...] = ()
    """Losses of safety that conditions look at and let pass. The warnings have a sentence on each."""
    ungated: tuple[Compared, ...] = ()
    """Measures that got worse while no condition names them. The warnings have a sentence on each."""
    losses: tuple[str, ...] = ()
    """The warnings of what the gate lets pass: of measures that got worse without failing a condition, of prompts that
    have no score any more, of missing provenance, and that no condition was decided."""
    sides: tuple[GateSide, GateSide] = (GateSide(), GateSide())
    """Files, models and provenance of the checkpoint before and after, which reports name."""
    matched: Matched | None = None
    """Samples that two logs of another program share. None for evaluations."""
    compared_at: str = field(default_factory=_now, compare=False)
    """Time of the comparison: ISO 8601, in UTC, to the second."""

    def __bool__(self) -> bool:
        """Equals `passed`, so that `assert compare(...)` fails where the gate does."""
        return self.passed

    def __repr__(self) -> str:
        compared = f"{counted(len(self.measures), 'measure')} compared"
        return f"<Gate: {', '.join([compared, *filter(None, [self.verdict])])}>"

    def __str__(self) -> str:
        """Writes the verdict, and a line for each condition, each measure that changed and each warning."""
        return gate_text(self)

    def to_json(self) -> JsonObject:
        """Converts the decision, every condition and every measure to plain JSON, without prompts and responses."""
        return gate_json(self)

    @property
    def passed(self) -> bool:
        """True where no condition fails, none is undecided that must not be, and at least one can fail.

        If strict, every one must be able to fail, and no loss of safety may be overlooked. Without conditions
        nothing is gated, so False.
        """
        return bool(self.findings) and not self.exit_code

    @property
    def exit_code(self) -> int:
        """Exit code of `holdfast compare`: 0 passed, 1 failed, 2 no valid gate, 3 undecided. 0 without conditions.

        If strict, it is 3 also where undecided conditions may pass and no condition was decided.
        """
        if self.met:
            return 1
        if self.decides_too_little or self.overlooks_loss:
            return 2
        is_open = self.strict and self.decided_nothing
        return 3 if is_open or (self.open_conditions and self.undecided == "fail") else 0

    @property
    def met(self) -> list[Finding]:
        """Conditions that are shown to be met."""
        return [one for one in self.findings if one.outcome == "fails"]

    @property
    def open_conditions(self) -> list[Finding]:
        """Conditions that the prompts cannot decide, of those that can fail."""
        return [one for one in self.findings if one.outcome == "undecided" and not one.cannot_fail]

    @property
    def decides_nothing(self) -> bool:
        """True where there are conditions and none of them can fail."""
        return bool(self.findings) and all(one.cannot_fail for one in self.findings)

    @property
    def decides_too_little(self) -> bool:
        """True where none of the conditions can fail. If strict, True where any of them cannot."""
        return self.decides_nothing or (self.strict and any(one.cannot_fail for one in self.findings))

    @property
    def decided_nothing(self) -> bool:
        """True where the prompts decide none of the conditions, so that letting them pass says nothing."""
        decided = any(one.outcome != "undecided" and not one.cannot_fail for one in self.findings)
        return bool(self.open_conditions) and not decided

    @property
    def overlooks_loss(self) -> bool:
        """True where the gate is strict, and safety got worse without a condition that looks at it.

        Also True where one part of a condition is exceeded, and another part keeps the condition from failing, and
        where the conditions allow a loss of more than 0.2.
        """
        return self.strict and bool(self.overlooked)

    @property
    def overlooked(self) -> tuple[str, ...]:
        """Sentences about the losses of safety with which a strict gate does not pass."""
        return (*self.unwatched, *(one.sentence for one in self.tolerated if one.is_refused))

    @property
    def verdict(self) -> str | None:
        """Result in words, such as 'the gate failed: 1 of 3 conditions is met'. None without conditions.

        It also counts the conditions that cannot fail, and says where no condition looks at a loss of safety.
        """
        if not self.findings:
            return None
        if self.decides_nothing:
            return "the gate decides nothing"
        if self.exit_code == 2:
            weak = (
                f"{self._idle} of {len(self.findings)} conditions cannot fail" if self._idle else self._overlooked_words
            )
            return f"the gate is strict and {weak}"
        idle = f", and {self._idle} of {len(self.findings)} conditions cannot fail" if self._idle else ""
        overlooked = f", and {self._overlooked_words}" if self.overlooked else ""
        return f"{self._decision}{idle}{overlooked}"

    @property
    def _overlooked_words(self) -> str:
        if self.unwatched:
            return NO_CONDITION
        return SPARED if any(one.spared_by for one in self.tolerated) else TOO_WIDE

    @property
    def _decision(self) -> str:
        """Words for the outcome of the conditions that can fail."""
        total, met, undecided = len(self.findings), len(self.met), len(self.open_conditions)
        if met:
            return f"the gate failed: {met} of {total} conditions {agreeing(met, 'is', 'are')} met"
        if undecided and self.undecided == "fail":
            return f"the gate cannot decide {undecided} of {total} conditions with these prompts"
        if self.decided_nothing:
            return f"nothing was decided: {undecided} of {total} conditions {agreeing(undecided, 'is', 'are')} open"
        return "the gate passed" + (
            f", and {undecided} of {total} conditions could not be decided" if undecided else ""
        )

    @property
    def _idle(self) -> int:
        """Number of conditions that cannot fail."""
        return sum(bool(one.cannot_fail) for one in self.findings)

    @checked_call
    def refuse_failed(self, *, prompts: int = 0) -> None:
        """Raises an error unless the gate passed.

        Args:
            prompts: number of changed prompts that the error quotes, for each condition that is met. They may be
                harmful, and logs are often public, so the default is none.

        Raises:
            GateError: a condition is met. The error has lines for each condition that is met, and says of each
                undecided one how many prompts would decide it.
            UndecidedError: no condition is met, and the prompts cannot decide one. Or the gate is strict and lets
                undecided conditions pass, and no condition was decided. It is a kind of GateError.
            InvalidGateError: there are no conditions, or none can fail, so the gate decides nothing. Or it is strict,
                and one cannot, or no condition looks at a loss of safety. It is a kind of GateError.
        """
        if not isinstance(prompts, int) or isinstance(prompts, bool) or prompts < 0:
            raise ValueError(f"prompts is {prompts!r}; give a whole number of prompts to quote, such as 3.")
        require_passed(self, prompts)


def gate(
    before: Evaluation,
    after: Evaluation,
    conditions: Sequence[Condition] = (),
    options: GateOptions = GateOptions(),
    accept: str = "allow_unchanged=True",
    limit: str = "max_new_tokens",
) -> Gate:
    """Compares every measure of two checkpoints and checks the conditions.

    Args:
        before: the evaluation of the first checkpoint.
        after: the evaluation of the second.
        conditions: each fails the gate if it is shown to be met.
        options: options of the gate.
        accept: the option that accepts two evaluations of the same weights, for an error.
        limit: the setting for the longest response, for a warning.

    Raises:
        ValueError: prompts or settings of the two differ, both are of the same weights, or a condition is inverted or
            names a measure that was not measured.
    """
    if not options.allow_inverted:
        refuse_inverted(conditions)
    if conditions and not options.allow_unchanged:
        refuse_unchanged(before, after, accept)
    refuse_unknown_rules(before, after, conditions)
    measures, settings_known = compare_measures(before, after), bool(before.made_by and after.made_by)
    found = gate_measures(measures, conditions, options)
    warnings = (*comparison_warnings(before, after, limit), *found.warnings)
    sides = (side_of(before), side_of(after))
    return replace(found, settings_known=settings_known, warnings=warnings, sides=sides)


def gate_measures(
    measures: Mapping[str, Compared],
    conditions: Sequence[Condition],
    options: GateOptions = GateOptions(),
) -> Gate:
    """Checks the conditions on measures that were compared: those of evaluations, or of logs of other programs."""
    strict, undecided = options.strict, options.undecided
    if undecided not in get_args(Undecided):
        raise ValueError(f"undecided is {undecided!r}; give one of {', '.join(get_args(Undecided))}.")
    weighed = [_weigh(condition, measures) for condition in conditions]
    findings = tuple(_findings(weighed))
    can_fail = [one for one, finding in zip(conditions, findings, strict=True) if not finding.cannot_fail]
    lost = warning_of_lost([one.measure for one in weighed] or list(measures.values()))
    failed = [one for one, finding in zip(conditions, findings, strict=True) if finding.outcome == "fails"]
    unwatched = {one.name: sentence_of_unwatched(one) for one in unwatched_losses(measures, conditions, failed)}
    tolerated = tolerated_losses(measures, findings, undecided_passes=undecided != "fail")
    ungated, told = ungated_losses(measures, conditions), {*unwatched, *(one.measure.name for one in tolerated)}
    others = (sentence_of(one) for one in ungated if one.name not in told)
    allowed = (one.sentence for one in tolerated)
    losses = (*filter(None, [lost and printable(lost)]), *unwatched.values(), *allowed, *others)
    warnings = (*map(printable, filter(None, map(warning_of_inverted, can_fail))), *losses)
    found = Gate(
        measures,
        findings,
        settings_known=True,
        warnings=warnings,
        strict=strict,
        undecided=undecided,
        unwatched=tuple(unwatched.values()),
        tolerated=tolerated,
        ungated=ungated,
        losses=losses,
    )
    if not found.decided_nothing or found.exit_code:
        return found
    return replace(found, warnings=(*warnings, NOTHING_DECIDED), losses=(*losses, NOTHING_DECIDED))


def _findings(weighed: Sequence[Weighed]) -> Iterator[Finding]:
    """Decides every condition. The p values of failing are corrected for all of them."""
    p_values = correct(weighed)
    tested = sum(p is not None for p in p_values)
    for one, p_fails in zip(weighed, p_values, strict=True):
        yield Finding(one.outcome(p_fails), one, p_fails, tested, _why_never(one))


def _weigh(condition: Condition, measures: Mapping[str, Compared]) -> Weighed:
    return weigh(condition, find_measure(condition, measures))


def _why_never(weighed: Weighed) -> str | None:
    """Explains why no checkpoint could meet a condition. None where one could, as where the measured numbers do."""
    if weighed.holds:
        return None
    condition, measure = weighed.condition, weighed.measure
    look_up = partial(number_of, condition, measure=measure)
    return why_never_met(replace(condition, measure=measure.name), measure.before, look_up, measure.scale)


def refuse_unchanged(before: Evaluation, after: Evaluation, allowed_by: str = "allow_unchanged=True") -> None:
    """Raises ValueError where both evaluations are of the same weights, by their fingerprints: nothing can fail then.

    A model that one of the two steers, serves or quantises differs in more than its weights, and is not refused.
    """
    differs = warnings_of_form(before, after) or warnings_of_steering(before, after)
    if (fingerprint := common_fingerprint(before, after)) and not differs:
        names = " and ".join(dict.fromkeys(repr(model_name(one.made_by)) for one in (before, after)))
        raise ValueError(
            printable(
                f"both evaluations are of the same weights ({names}, fingerprint {fingerprint[:12]}), so the gate "
                f"would pass whatever is released; give the evaluation of another checkpoint, or {allowed_by}."
            )
        )


def common_fingerprint(before: Evaluation, after: Evaluation) -> str | None:
    """Returns the fingerprint of the weights that two evaluations share. None where they differ, or one lacks it."""
    first, second = (model_fingerprint(one.made_by) for one in (before, after))
    return str(first) if first and first == second else None


def comparison_warnings(before: Evaluation, after: Evaluation, limit: str) -> tuple[str, ...]:
    """Returns warnings about two evaluations of one model or of other forms of it, and about what they cannot show."""
    fingerprint = common_fingerprint(before, after)
    same = (
        f"both evaluations are of one model (fingerprint {printable(str(fingerprint)[:12])}), so the gate says nothing "
        "of another; evaluate the checkpoint that is to be released."
    )
    warnings = [same] if fingerprint else []
    warnings += filter(None, [warning_of_same_responses(before, after), warning_of_mistrust(before, after)])
    cut = {"before": warning_of_cut_off(before, limit), "after": warning_of_cut_off(after, limit)}
    warnings += warnings_of_form(before, after)
    warnings += warnings_of_steering(before, after)
    return (*warnings, *(f"in the evaluation {when}, {sentence}" for when, sentence in cut.items() if sentence))
