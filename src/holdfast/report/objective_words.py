"""Explains in words what a score measures, by its objective."""

from holdfast.objective.registry import MOVED, OBJECTIVES, names

OTHERWISE = f"how much safety {MOVED}"


def score_words(objective: str | None) -> str:
    """Returns the words for the score of an objective. An unknown objective is only said to be about safety."""
    return OBJECTIVES[objective].words if objective is not None and objective in names() else OTHERWISE
