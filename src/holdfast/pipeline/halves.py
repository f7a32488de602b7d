"""Stability of scores: agreement of the scores of two halves of the prompts, or of two scores of one model."""

from pathlib import Path

from holdfast.arguments import checked_call, require_name
from holdfast.outcomes import Stability
from holdfast.pipeline.scoring_files import files_of
from holdfast.select import stability as agreement
from holdfast.value_or_path import as_scores
from holdfast.values import Scores
from holdfast.wrong_files import require_kind


@checked_call
def stability(
    scores: Scores | str | Path, other: Scores | str | Path | None = None, *, fraction: float = 0.01
) -> Stability:
    """Measures whether other prompts would find the same weights, by the scores of two halves of the prompts.

    Scoring writes the scores of both halves beside its file, so the path of that file is enough. Two scores of one
    model, from other prompts or seeds, are compared with each other.

    Example:
        >>> print(stability("scores.safetensors"))

    Args:
        scores: the path of the file that the scores were written to. With `other`, scores or the path of any.
        other: other scores of the same model, or the path of their file.
        fraction: share of the scored entries whose masks are compared, in (0, 1).

    Returns:
        The IoU of both top fractions with its interval, the IoU of random masks, and the correlation of the ranks.

    Raises:
        ValueError: the file holds no scores, the halves are missing, the scores are of different models, or nothing
            scores above 0.
    """
    if other is not None:
        return agreement.stability(as_scores(scores), as_scores(other), fraction)
    if isinstance(scores, Scores):
        raise ValueError(
            "scores in memory have no halves, which lie in files beside theirs; give the path of the file that the "
            "scores were written to, or other scores to compare with."
        )
    require_name(scores, "a file of scores", "give the path that scoring wrote to")
    _, *halves = files_of(Path(scores))
    if missing := [half for half in halves if not half.is_file()]:
        require_kind(Path(scores), "scores")  # a mask has no halves either
        raise ValueError(
            f"the scores of the halves of {str(scores)!r} are missing: there is no file {str(missing[0])!r}; keep the "
            "files that scoring writes together, or give other scores to compare with."
        )
    first, second = map(as_scores, halves)
    return agreement.stability(first, second, fraction)
