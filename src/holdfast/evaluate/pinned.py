"""The model that an evaluation must be of, by fingerprint or name: a gate on a stale file decides nothing."""

import re
from typing import NamedTuple

from holdfast.made_by import model_fingerprint, model_name
from holdfast.outcomes import Evaluation
from holdfast.printable import printable

FEWEST_DIGITS = 12
"""Smallest number of digits that identify a fingerprint. Tables and sentences print as many."""
SWAPPED = "and the gate would pass a worse model if the two are swapped"
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


def require_told_apart(evaluations: tuple[Evaluation, Evaluation], pins: Pins, names: str, fingerprints: str) -> None:
    """Raises ValueError where no pin would refuse the two evaluations if they were swapped. A strict gate asks for one.

    Args:
        evaluations: the two evaluations, which were checked (`require_models`).
        pins: the models that they must be of.
        names: words for the settings that pin names.
        fingerprints: words for the settings that pin fingerprints.
    """
    prints, models = ([read(one.made_by) for one in evaluations] for read in (model_fingerprint, model_name))
    differ = prints[0] != prints[1], models[0] != models[1]
    if (differ[0] and any(pins.fingerprints)) or (differ[1] and any((pins.before_model, pins.after_model))):
        return
    ways = [way for way, tells in zip((fingerprints, names), differ, strict=True) if tells]
    shown = [_named(name, digits) for name, digits in zip(models, prints, strict=True)]
    if not ways:
        raise ValueError(
            printable(
                f"both evaluations are of {shown[0]}, {SWAPPED}; check the order of the two, evaluate models of two "
                "names, or compare them without a strict gate."
            )
        )
    raise ValueError(
        printable(
            f"nothing says which evaluation is of the released model, {SWAPPED}; give {', or '.join(ways)}, which a "
            f"strict gate needs (the two are of {' and '.join(shown)})."
        )
    )


def _named(name: str | None, fingerprint: str | None) -> str:
    """Names a model, with the first digits of its fingerprint where that is known."""
    return f"{name!r}" + (f" with fingerprint {fingerprint[:FEWEST_DIGITS]}" if fingerprint else "")


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
