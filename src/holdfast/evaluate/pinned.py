"""The model that an evaluation must be of, by its fingerprint: a gate that is given a stale file decides nothing."""

import re

from holdfast.made_by import model_fingerprint, model_name
from holdfast.outcomes import Evaluation
from holdfast.printable import printable

FEWEST_DIGITS = 12
"""Of a fingerprint, as tables and sentences print it."""
WRITTEN = re.compile(rf"[0-9a-f]{{{FEWEST_DIGITS},64}}")


def require_models(evaluations: tuple[Evaluation, Evaluation], before: str | None, after: str | None) -> None:
    """Raises ValueError when one of two evaluations is of another model than its fingerprint's. None pins nothing."""
    for evaluation, fingerprint, which in zip(evaluations, (before, after), ("before", "after"), strict=True):
        if fingerprint is not None:
            require_model(evaluation, fingerprint, which)


def require_model(evaluation: Evaluation, fingerprint: str, which: str) -> None:
    """Raises ValueError when an evaluation is of another model than the one with this fingerprint.

    Args:
        evaluation: its `made_by` says which model it is of.
        fingerprint: all 64 hexadecimal digits, or the first 12 or more.
        which: what a sentence calls the evaluation: before or after.
    """
    wanted = fingerprint.strip().casefold() if isinstance(fingerprint, str) else ""
    if not WRITTEN.fullmatch(wanted):
        raise ValueError(
            f"{fingerprint!r} is no fingerprint of a model; give {FEWEST_DIGITS} to 64 of its hexadecimal digits, as "
            "`holdfast show EVALUATION` or `holdfast sites MODEL --summary` prints it."
        )
    found = model_fingerprint(evaluation.made_by)
    if found is None:
        raise ValueError(
            f"the evaluation {which} does not say which model it is of, so it can't be the one with fingerprint "
            f"{wanted[:FEWEST_DIGITS]}; evaluate that model again with `holdfast evaluate`."
        )
    if not found.startswith(wanted):
        named = printable(repr(model_name(evaluation.made_by)))
        raise ValueError(
            f"the evaluation {which} is of {named} with fingerprint {printable(found[:FEWEST_DIGITS])}, and "
            f"{wanted[:FEWEST_DIGITS]} is asked for; give the evaluation of that model."
        )
