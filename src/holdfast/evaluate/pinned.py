"""The model that an evaluation must be of, by fingerprint or name: a gate on a stale file decides nothing."""

import re
from typing import NamedTuple

from holdfast.made_by import model_fingerprint, model_name
from holdfast.outcomes import Evaluation
from holdfast.printable import printable

FEWEST_DIGITS = 12
"""Smallest number of digits that identify a fingerprint. Tables and sentences print as many."""
WRITTEN = re.compile(rf"[0-9a-f]{{{FEWEST_DIGITS},64}}")


class Pins(NamedTuple):
    """Fingerprints and names that the two models of a comparison must have. None allows any."""

    before_fingerprint: str | None = None
    after_fingerprint: str | None = None
    before_model: str | None = None
    """Name of the model as its file records it."""
    after_model: str | None = None

    @property
    def fingerprints(self) -> tuple[str | None, str | None]:
        """Fingerprints of both models."""
        return self.before_fingerprint, self.after_fingerprint


def require_models(evaluations: tuple[Evaluation, Evaluation], pins: Pins) -> None:
    """Raises ValueError when one of two evaluations is of another model than the one that is pinned."""
    for evaluation, fingerprint, which in zip(evaluations, pins.fingerprints, ("before", "after"), strict=True):
        if fingerprint is not None:
            require_model(evaluation, fingerprint, which)
    first, second = evaluations
    require_names((model_name(first.made_by), model_name(second.made_by)), pins)


def require_names(names: tuple[str | None, str | None], pins: Pins) -> None:
    """Raises ValueError when a file names another model than the one that is pinned, or none. Says if both are swapped.

    Args:
        names: the models that the first and the second file name.
        pins: the models that they must name.
    """
    asked = (pins.before_model, pins.after_model)
    for wanted, found, other, which in zip(asked, names, reversed(names), ("before", "after"), strict=True):
        if wanted is None or wanted == found:
            continue
        if not found and wanted != other:
            raise ValueError(
                printable(
                    f"the file {which} names no model, so nobody can see whether it is of {wanted!r}; leave the name "
                    "out, or give a file that records its model."
                )
            )
        names_it = f"names the model {found!r}" if found else "names no model"
        advice = "the other file names it, so swap the two" if wanted == other else "give the file of that model"
        raise ValueError(printable(f"the file {which} {names_it}, and {wanted!r} is asked for; {advice}."))


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
