"""Options of `holdfast compare`: the conditions of its gate, and what is read of the two sides."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from holdfast.config import Options
from holdfast.evaluate.gate import Undecided
from holdfast.evaluate.pinned import Pins
from holdfast.option_groups import FINE


class GateFlags(Options):
    """Conditions of a gate, and what happens where they cannot decide or cannot fail."""

    fail_if: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Condition that fails the gate: MEASURE OPERATOR SUM, such as "refusal < before - 0.05". Give it several times for
    several conditions.

    - MEASURE: refusal, asr (needs a judge), asr_prefilled, over_refusal, borderline, coherence, coherent_refusal,
      utility, task, perplexity, response_length (tokens, harmless prompts), or a group such as asr/heldout or
      kl/harmless. Without a judge also not_refused, the share that is not refused
    - OPERATOR: >, >=, < or <=
    - SUM: numbers and `before`, the measure of the first file, also with a factor: "perplexity > before * 1.5"
    - .low, .high: the ends of its 95% interval, as in asr.high. They are compared as they are
    - .unscored: the number of responses without a verdict
    - and p < 0.05: needs a p as small by the paired test, too, to fail"""
    undecided: Undecided = "fail"
    """What an undecided condition does: fail with exit code 3, pass with a warning, or pass."""
    strict: Annotated[bool, Parameter(negative="")] = False
    """Needs a pin such as --before-model, so that swapped files are refused. Ends with exit code 2 if one condition
    cannot fail, or if safety got worse and no condition looks at it, but with 1 if a condition failed. Ends with 3 if
    no condition is decided, also with --undecided."""
    allow_inverted: Annotated[bool, Parameter(negative=""), FINE] = False
    """Accepts a condition that fails a better model, such as "refusal > before - 0.05", as a negative control needs it.
    Without this option it is refused, because it passes a model that lost every refusal."""
    allow_mismatch: Annotated[bool, Parameter(negative=""), FINE] = False
    """Gates two logs of another program that differ in more than the model, such as in the temperature, or that share
    less than 90% of their samples. Without this option they are refused."""
    allow_unchanged: Annotated[bool, Parameter(negative=""), FINE] = False
    """Gates two evaluations of the same weights, as a negative control needs it. Without this option they are refused,
    also under two names, because no condition can fail."""


class SideOptions(Options):
    """Settings of one kind of input: two evaluations have fingerprints and cards, two logs have chosen measures."""

    before_model: str | None = None
    """Name that the model of BEFORE must have in its file. `holdfast show BEFORE` prints it, and `holdfast report LOG`
    for a log."""
    after_model: str | None = None
    """Name that the model of AFTER must have in its file."""
    before_fingerprint: Annotated[str | None, FINE] = None
    """Fingerprint that the model of BEFORE must have: all of it, or its first 12 digits or more. `holdfast show BEFORE`
    prints it. Logs of inspect, lm-eval and garak record none."""
    after_fingerprint: Annotated[str | None, FINE] = None
    """Fingerprint that the model of AFTER must have, in the same way."""
    judge_card: Annotated[tuple[Path, ...], Parameter(negative="")] = ()
    """Card of a judge, from `holdfast judge-card`. Shows corrected rates. Conditions take the measured ones."""
    measure: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Measure of two logs to compare, such as acc. The default is all."""

    @property
    def pinned(self) -> Pins:
        """The models of both sides, None where any may be."""
        return Pins(self.before_fingerprint, self.after_fingerprint, self.before_model, self.after_model)
