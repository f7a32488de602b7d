"""Tells which entries of its provenance an evaluation lacks, without which a gate checks less than it seems to.

A gate refuses two evaluations of other judges, rules or settings, of the same weights, or of a model that is not
pinned. An evaluation without provenance passes all of these checks, whatever made it.
"""

import re
from collections.abc import Mapping

from holdfast.evaluate.other_forms import comparable
from holdfast.made_by import Meta
from holdfast.printable import printable
from holdfast.spelling import joined

FINGERPRINT = re.compile("[0-9a-f]{64}")
NEEDED: Mapping[str, str] = {
    "model": "its model",
    "judge": "its judge",
    "refusal_judge": "the rules that found refusals",
    "generation": "the settings of its responses",
}
"""Entries that every evaluation has which `evaluate` or `holdfast evaluate` made. The judge's is null without one."""
COMPARED: Mapping[str, str] = {
    "suite": "its prompt sets",
    "rendering": "how its prompts were rendered",
    "responses": "where its responses end",
    "coherence": "the rules of coherence",
}
"""Entries that two evaluations are compared by where both have them."""


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


def require_alike(made_by: tuple[Meta, Meta], names: tuple[str, str]) -> None:
    """Raises ValueError where one of two evaluations lacks an entry that the other has, which a strict gate asks for.

    Without the entry nobody could see that the two differ in it. A served model or a GGUF file has entries of its own.
    """
    before, after = comparable(*made_by)
    for known, other, name in ((before, after, names[1]), (after, before, names[0])):
        missing = [words for entry, words in COMPARED.items() if known.get(entry) and not other.get(entry)]
        if missing:
            raise ValueError(
                printable(
                    f"{name} does not record {joined(missing, 'or')}, and the other evaluation does, so a strict gate "
                    "cannot check that the two were made alike; evaluate both checkpoints in the same way, both by the "
                    "command or both in a script, or compare without a strict gate."
                )
            )


def _lacking(made_by: Meta) -> str:
    """Names the entries that are missing. Empty if all are there."""
    model = made_by.get("model")
    is_named = isinstance(model, Mapping) and bool(model.get("name") or model.get("fingerprint"))
    known = {name for name in NEEDED if name in made_by} - (set() if is_named else {"model"})
    lacks = [words for name, words in NEEDED.items() if name not in known]
    if isinstance(model, Mapping) and "fingerprint" in model and not _is_fingerprint(model["fingerprint"]):
        lacks.append("a whole fingerprint of its model")
    return joined(lacks, "or")


def _is_fingerprint(given: object) -> bool:
    return isinstance(given, str) and bool(FINGERPRINT.fullmatch(given))
