"""Writes the page of a file, or of an evaluation, a direction or a verification in memory."""

from pathlib import Path

from holdfast.arguments import checked_call, require_name, require_share
from holdfast.artifacts import load_direction, load_evaluation, save_text
from holdfast.evaluate.verified import Verified
from holdfast.file_kinds import identify
from holdfast.outcomes import Evaluation
from holdfast.pipeline.evaluation_about import limits, origin_rows
from holdfast.pipeline.picturing import map_page_of
from holdfast.pipeline.showing import MAPS, read_map
from holdfast.pipeline.verification_page import verification_page
from holdfast.pipeline.verifying import SUMMARY, read_verified
from holdfast.report.direction_page import render_direction_page
from holdfast.report.evaluation_page import EvaluationAbout, ShownAnswer, render_evaluation_page
from holdfast.saving import refuse_taken
from holdfast.values import Direction
from holdfast.wrong_files import SHOWN, refuse_unshown


@checked_call
def save_page(
    path: str | Path,
    shown: Evaluation | Direction | Verified | str | Path,
    *,
    fraction: float | None = None,
    overwrite: bool = False,
) -> None:
    """Writes the page (.html) of an evaluation, a verification, a direction, scores, a mask or a patch.

    It is the page of `holdfast show`. That of an evaluation holds no prompt and no response.

    Example:
        >>> save_page("before.html", before)

    Args:
        path: the file. Missing folders are created.
        shown: an evaluation, a direction or what `verify` returned. Or the path of a file of holdfast, or of the folder
            of `holdfast verify`.
        fraction: for scores, the share of them that counts as the largest. None takes 0.01. Others take none.
        overwrite: True replaces an existing file.

    Raises:
        ValueError: the file exists, its suffix is another than .html, there is no page of what is given, or a fraction
            is given for another file than scores.
    """
    require_name(path, "a file for the page", "give a path such as 'page.html'")
    if Path(path).suffix != ".html":
        raise ValueError(f"{str(path)!r} names no page; end it with .html.")
    refuse_taken(path, overwrite)
    if fraction is not None:
        require_share("fraction", fraction)
        _require_scores(shown)
    save_text(Path(path), _page(shown, fraction))


def _require_scores(shown: object) -> None:
    """Raises ValueError when a page with a fraction shows anything but a file of scores."""
    kind = identify(Path(shown)) if isinstance(shown, str | Path) else None
    if kind is None or (kind.name != "scores" and kind.name in SHOWN):
        words = kind.words if kind else type(shown).__name__
        raise ValueError(
            f"the fraction is the share of scores to count, and the page is to show {words}; leave the fraction out, "
            "or give the path of a file of scores."
        )


def _page(shown: object, fraction: float | None) -> str:
    if isinstance(shown, Evaluation):
        return evaluation_page(shown)
    if isinstance(shown, Direction):
        return render_direction_page(shown)
    if isinstance(shown, Verified):
        return verification_page(shown)
    if isinstance(shown, str | Path):
        return _page_of_file(Path(shown), fraction)
    raise ValueError(
        f"a page shows an evaluation, a direction, a verification or a file, got {type(shown).__name__}; save scores, "
        "a mask or a patch, and give the path."
    )


def _page_of_file(file: Path, fraction: float | None) -> str:
    file = file / SUMMARY if file.is_dir() and identify(file / SUMMARY).name == "verification" else file
    kind = identify(file)
    refuse_unshown(file, kind)
    if kind.name == "verification":
        return verification_page(read_verified(file), str(file.parent))
    if kind.name in MAPS:
        return map_page_of(read_map(file, kind.name, fraction=fraction))
    if kind.name == "direction":
        return render_direction_page(load_direction(file), str(file))
    return evaluation_page(load_evaluation(file), str(file))


def evaluation_page(evaluation: Evaluation, file: str | None = None, answers: tuple[ShownAnswer, ...] = ()) -> str:
    """Renders the page of an evaluation, with the answers that are to be shown in full."""
    about = EvaluationAbout(file, origin_rows(evaluation, file), limits(evaluation, file or "the evaluation"), answers)
    return render_evaluation_page(evaluation, about)
