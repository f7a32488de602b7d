"""Tells which entries of its provenance an evaluation lacks, without which a gate checks less than it seems to.

A gate refuses two evaluations of other judges, rules or settings, of the same weights, or of a model that is not
pinned. An evaluation without provenance passes all of these checks, whatever made it.
"""

from collections.abc import Mapping

from holdfast.made_by import Meta
from holdfast.printable import printable
from holdfast.spelling import joined

NEEDED: Mapping[str, str] = {
    "model": "its model",
    "judge": "its judge",
    "refusal_judge": "the rules that found refusals",
    "generation": "the settings of its responses",
}
"""Entries that every evaluation has which `evaluate` or `holdfast evaluate` made. The judge's is null without one."""


def warning_of_provenance(made_by: Meta, name: str) -> str | None:
    """Warns that an evaluation does not record how it was made. None where it does.

    Args:
        made_by: its provenance.
        name: words for the evaluation, such as its file.
    """
    lacks = _lacking(made_by)
    if not lacks:
        return None
    return printable(
        f"{name} does not record {lacks}, so nobody can see whether the two evaluations were made alike; evaluate "
        "that checkpoint again."
    )


def require_provenance(made_by: Meta, name: str) -> None:
    """Raises ValueError where an evaluation does not record how it was made, which a strict gate asks for."""
    if lacks := _lacking(made_by):
        raise ValueError(
            printable(
                f"{name} does not record {lacks}, so a strict gate cannot check that the two evaluations were made "
                "alike; evaluate that checkpoint again, or compare without a strict gate."
            )
        )


def _lacking(made_by: Meta) -> str:
    """Names the entries that are missing. Empty if all are there."""
    model = made_by.get("model")
    is_named = isinstance(model, Mapping) and bool(model.get("name") or model.get("fingerprint"))
    known = {name for name in NEEDED if name in made_by} - (set() if is_named else {"model"})
    return joined([words for name, words in NEEDED.items() if name not in known], "or")
