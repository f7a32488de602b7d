"""What a score measures, in a sentence: the words of its objective's record."""

from holdfast.objective.registry import MOVED, OBJECTIVES, names

OTHERWISE = f"how much safety {MOVED}"


def score_words(objective: str | None) -> str:
    """Says what a weight's score is; of an objective that is not known, no more than that it is about safety."""
    return OBJECTIVES[objective].words if objective is not None and objective in names() else OTHERWISE
