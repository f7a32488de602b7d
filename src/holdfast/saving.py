"""Saves values from a script as `artifacts` does, but never over an existing file unless the caller allows it.

Commands call `artifacts` itself. They check their outputs before the work begins, and continue interrupted files.
"""

from pathlib import Path

from holdfast import artifacts
from holdfast.arguments import checked_call
from holdfast.distributed import gathered
from holdfast.endings import require_ending
from holdfast.outcomes import Evaluation
from holdfast.values import Direction, Mask, Patch, Scores, ScoresShard


@checked_call
def save_scores(path: str | Path, scores: Scores, *, overwrite: bool = False) -> None:
    """Writes scores into a safetensors file: float32 by parameter name.

    Processes that each hold a shard write into one file together. All of them need write access to its path.

    Args:
        path: the file. Missing folders are created.
        scores: the scores.
        overwrite: True replaces an existing file.

    Raises:
        ValueError: the file exists, its name ends like another format, or the arguments are of other types.
    """
    _refuse_ending(path, ".safetensors")
    in_use = not overwrite and _exists(path)
    if isinstance(scores, ScoresShard):
        in_use = any(gathered(in_use))  # before any process writes
    _refuse(path, in_use)
    artifacts.save_scores(path, scores)


@checked_call
def save_mask(path: str | Path, mask: Mask, *, overwrite: bool = False) -> None:
    """Writes a mask into a safetensors file: sorted flat indices by parameter name.

    Raises:
        ValueError: the file exists and `overwrite` is not True, its name ends like another format, or the arguments
            are of other types.
    """
    _refuse_ending(path, ".safetensors")
    refuse_taken(path, overwrite)
    artifacts.save_mask(path, mask)


@checked_call
def save_patch(path: str | Path, patch: Patch, *, overwrite: bool = False) -> None:
    """Writes a patch into a safetensors file: for every name its indices, its new values and, where kept, its old ones.

    Raises:
        ValueError: the file exists and `overwrite` is not True, its name ends like another format, or the arguments
            are of other types.
    """
    _refuse_ending(path, ".safetensors")
    refuse_taken(path, overwrite)
    artifacts.save_patch(path, patch)


@checked_call
def save_direction(path: str | Path, direction: Direction, *, overwrite: bool = False) -> None:
    """Writes a direction into a safetensors file: the vector in float32, with layer, norm and base in the header.

    Raises:
        ValueError: the file exists and `overwrite` is not True, its name ends like another format, or the arguments
            are of other types.
    """
    _refuse_ending(path, ".safetensors")
    refuse_taken(path, overwrite)
    artifacts.save_direction(path, direction)


@checked_call
def save_evaluation(path: str | Path, evaluation: Evaluation, *, overwrite: bool = False) -> None:
    """Writes an evaluation with every answer as JSON.

    Raises:
        ValueError: the file exists and `overwrite` is not True, its name ends like another format, or the arguments
            are of other types.
    """
    _refuse_ending(path, ".json")
    refuse_taken(path, overwrite)
    artifacts.save_evaluation(path, evaluation)


def refuse_taken(path: object, overwrite: bool) -> None:
    """Raises ValueError when something exists at the path and `overwrite` is not True."""
    _refuse(path, not overwrite and _exists(path))


def _refuse_ending(path: object, ending: str) -> None:
    """Raises ValueError for a path that ends like another format. `artifacts` refuses what is no path."""
    if isinstance(path, str | Path):
        require_ending(path, ending)


def _exists(path: object) -> bool:
    """True for the path of something that exists. False for other objects, which `artifacts` refuses."""
    return isinstance(path, str | Path) and Path(path).exists()


def _refuse(path: object, in_use: bool) -> None:
    if in_use:
        raise ValueError(f"{str(path)!r} exists already; choose another path, or give overwrite=True to replace it.")
