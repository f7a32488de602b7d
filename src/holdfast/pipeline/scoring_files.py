"""The files that a scoring leaves: scores, those of two halves beside them, and what they come from."""

from collections.abc import Sequence
from pathlib import Path

from holdfast.artifacts import load_whole_scores
from holdfast.pipeline.outputs import refuse_existing, unfinished_folder
from holdfast.select.stability import Stability, stability

HALVES = ("first_half", "second_half")


def files_of(out: Path) -> list[Path]:
    """The scores, and those of the halves beside them."""
    return [out, *(out.with_name(f"{out.stem}_{half}.safetensors") for half in HALVES)]


def responses_of(out: Path) -> Path:
    """The responses that scores were made from."""
    return out.with_name(f"{out.stem}_responses.jsonl")


def convergence_of(out: Path) -> Path:
    """How far halves of fewer prompts agree."""
    return out.with_name(f"{out.stem}_convergence.json")


def stability_of(out: Path) -> Path:
    """How far the masks of two halves agree."""
    return out.with_name(f"{out.stem}_stability.json")


def halves_stability(out: Path) -> Stability:
    """How far the scores of the two halves agree, which lie beside `out`.

    Raises:
        ValueError: a file is missing, or too few scores are above 0 for a ranking.
    """
    _, first_half, second_half = files_of(out)
    return stability(load_whole_scores(first_half), load_whole_scores(second_half))


def remove_rest(out: Path) -> None:
    """Removes what stands beside scores that are gone, but for a scoring that is not finished: it goes on."""
    if not unfinished_folder(out).exists():
        for path in [*files_of(out), responses_of(out), convergence_of(out)]:
            path.unlink(missing_ok=True)


def refuse_outputs(paths: Sequence[Path], out: Path) -> None:
    """Raises ValueError when a result is there already; beside an unfinished scoring, what it wrote may be."""
    for path in [out] if unfinished_folder(out).exists() else paths:
        refuse_existing(path)
