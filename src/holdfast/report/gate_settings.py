"""Words for the settings that the reports of a gate name: options of `holdfast compare`, or arguments of Python."""

from typing import NamedTuple

SHOWN = 20
"""Number of prompts with responses that a report of a comparison lists for a condition, at most."""


class GateSettings(NamedTuple):
    """Words for the settings that a report advises."""

    responses: str = f"`--responses {SHOWN}`"
    """Lists changed prompts with both responses."""
    undecided: str = "`--undecided warn`"
    """Lets an undecided condition pass."""
    conditions: str = '`--fail-if "refusal < before - 0.05"` and `--fail-if "over_refusal > before + 0.05"`'
    """Gives conditions."""


COMMAND = GateSettings()
PYTHON = GateSettings(
    f"`responses={SHOWN}`",
    '`undecided="warn"`',
    '`fail_if=["refusal < before - 0.05", "over_refusal > before + 0.05"]`',
)
