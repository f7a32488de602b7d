"""Signs that a file is not what a gate takes it for: it repeats the other model's responses, or lacks a record."""

from collections.abc import Sequence

from holdfast.evaluate.condition import Condition
from holdfast.evaluate.counted import LONG_NAMES
from holdfast.made_by import model_fingerprint, model_name
from holdfast.outcomes import Evaluation
from holdfast.printable import printable

REPAIR = " evaluate the checkpoint that is to be released again."
FEWEST_RESPONSES = 20
"""Responses from which on it says something that all of two models are equal to the letter."""


def warning_of_same_responses(before: Evaluation, after: Evaluation) -> str | None:
    """Warns where two models gave the same responses to the letter. None otherwise.

    They are two models if their fingerprints differ or only one is recorded, or without any if their names differ.
    """
    prints, names = ([read(one.made_by) for one in (before, after)] for read in (model_fingerprint, model_name))
    responses = [[answer.response for answer in one.answers] for one in (before, after)]
    are_one = prints[0] == prints[1] and (prints[0] is not None or names[0] == names[1])
    if are_one or responses[0] != responses[1] or len(responses[0]) < FEWEST_RESPONSES:
        return None
    return (
        f"all {len(responses[0])} responses of the two models are the same to the letter, so the second file may hold "
        f"the answers of the first model under another name;{REPAIR}"
    )


def warning_of_same_texts(responses: Sequence[tuple[str, str]]) -> str | None:
    """Warns where the samples of two logs have the same responses to the letter. None otherwise, or without text."""
    if len(responses) < FEWEST_RESPONSES or not all(first and first == second for first, second in responses):
        return None
    return (
        f"all {len(responses)} responses of the two logs are the same to the letter, so the second one may be a copy "
        "of the first under another name; evaluate the model that is to be released again."
    )


def refuse_unproven_copy(before: Evaluation, after: Evaluation) -> None:
    """Raises ValueError where both gave the same responses and one has no fingerprint, which a strict gate asks for."""
    prints = [model_fingerprint(one.made_by) for one in (before, after)]
    if None in prints and (warning := warning_of_same_responses(before, after)):
        raise ValueError(f"{warning.partition(';')[0]}, and no two fingerprints show that it does not;{REPAIR}")


def refuse_unknown_rules(before: Evaluation, after: Evaluation, conditions: Sequence[Condition]) -> None:
    """Raises ValueError where a condition is on coherence and only one file records the rules that judged it.

    Files whose provenance is empty, and two files of an earlier version, record none.
    """
    known = ["coherence" in one.made_by for one in (before, after)]
    asked = [one for one in conditions if LONG_NAMES.get(one.measure, one.measure).startswith("coheren")]
    if before.made_by and after.made_by and asked and known[0] != known[1]:
        which = "first" if known[1] else "second"
        raise ValueError(
            printable(
                f"the condition {asked[0].text!r} is on coherence, and the {which} evaluation does not record the "
                "rules that judged it; evaluate both checkpoints with the same version of holdfast."
            )
        )
