"""Warnings about evaluations of a steered model: what a comparison shows, and a coefficient that breaks the model."""

from collections.abc import Mapping

from holdfast.made_by import Meta
from holdfast.outcomes import Evaluation
from holdfast.printable import printable

COHERENT = 0.9
"""Share of coherent responses below which a coefficient counts as breaking the model."""


def steering_words(made_by: Meta) -> str | None:
    """Describes the steering of an evaluation. None without any."""
    entry = made_by.get("steering")
    if not isinstance(entry, Mapping):
        return None
    settings = [f"{name} {entry[name]}" for name in ("rule", "where") if name in entry]
    settings += ["renormed"] if entry.get("renorm") else []
    along = entry.get("along") or entry.get("file")
    return printable(f"{entry.get('coefficient')} along {along}{''.join(f', {one}' for one in settings)}")


def warnings_of_steering(before: Evaluation, after: Evaluation) -> list[str]:
    """Says that two evaluations differ in steering, so that their difference is not of the weights alone."""
    words = {when: steering_words(one.made_by) for when, one in {"before": before, "after": after}.items()}
    if words["before"] == words["after"]:
        return []
    moved = [f"the evaluation {when} is of a model steered by {text}" for when, text in words.items() if text]
    return [f"{', and '.join(moved)}, so the difference is not of the weights alone."]


def warning_of_breaking(evaluation: Evaluation) -> str | None:
    """Says that a steered model's responses are incoherent. None where 90% are coherent, or nothing was measured."""
    rate, words = evaluation.groups.get("coherence/all"), steering_words(evaluation.made_by)
    if words is None or rate is None or rate.value is None or rate.value >= COHERENT:
        return None
    return (
        f"{1 - rate.value:.2f} of {rate.n} responses are incoherent under steering by {words}: the coefficient breaks "
        "the model, so its rates mean little; give a smaller one."
    )
