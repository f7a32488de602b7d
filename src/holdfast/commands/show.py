"""`holdfast show`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.table import Table

from holdfast.commands.console import Json, shown_progress, table
from holdfast.commands.console import show as show_result
from holdfast.commands.layers import layer_table
from holdfast.commands.pages import written, written_note
from holdfast.commands.words import facts
from holdfast.file_kinds import identify
from holdfast.made_by import named_base, set_name, shown, summary
from holdfast.pipeline.outputs import refuse_existing, written_whole
from holdfast.pipeline.showing import MAPS, LayerMap, read_map
from holdfast.wrong_files import refuse_unshown

if TYPE_CHECKING:
    from holdfast.values import Direction

PICTURES = (".html", ".svg", ".png")
KINDS = {"evaluation": "an evaluation", "direction": "a direction", "verification": "a verification"}
"""Kinds of files that have a page and no figure."""


def show(
    file: Path,
    *,
    prompt: str | None = None,
    fraction: Annotated[float | None, Parameter(validator=Number(gt=0, lt=1))] = None,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Show what a file of holdfast holds: scores, a mask, a patch, a direction, an evaluation or a verification.

    Example: holdfast show mask.safetensors --out map.html

    A page of an evaluation or a verification: holdfast show evaluation.json --out page.html

    One answer of an evaluation: holdfast show evaluation.json --prompt "steal a kite"

    Each cell of the table says how often weights are counted there, beside a random choice of as many: 1 is as often, 2
    is twice as often, and 0 is none. Counted are the weights that a mask selects, that a patch changes, or whose scores
    are in the largest 1%, or in the largest --fraction.

    Parameters
    ----------
    file
        File of scores, a mask, a patch, a direction or an evaluation, or the folder of `holdfast verify`.
    prompt
        Print the full answers of an evaluation to one prompt: a part of its text, or the number of its row, from 1 on.
    fraction
        Share of the scores to count as the largest, in (0, 1). By default 0.01. Only scores take it.
    out
        File for a page (.html). Scores, a mask and a patch also have a figure: .svg, or .png with the extra `figures`.
        The page of an evaluation holds no answers but those to --prompt. Missing folders are created.
    json
        Print one JSON object.
    """
    file = _summary_of(file)
    kind = identify(file)
    refuse_unshown(file, kind)
    if out is not None:
        _refuse_picture(out, kind.name)
    if prompt is not None and kind.name != "evaluation":
        raise ValueError(
            f"{str(file)!r} is {kind.words} and holds no answers; leave out --prompt, or give an evaluation."
        )
    if fraction is not None and kind.name != "scores":
        raise ValueError(
            f"{str(file)!r} is {kind.words}, and --fraction is the share of scores to count; leave --fraction out, or "
            "give a file of scores."
        )
    if kind.name == "verification":
        _show_verification(file, out, json)
    elif kind.name == "direction":
        _show_direction(file, out, json)
    elif kind.name in MAPS:
        with shown_progress() as progress:
            found = read_map(file, kind.name, progress, fraction)
        _show_map(found, out, json)
    else:
        from holdfast.commands.evaluations import show_evaluation

        show_evaluation(file, json, prompt, out)


def _summary_of(path: Path) -> Path:
    """Returns the summary in the folder of a verification, and any other path as it is."""
    summary = path / "summary.json"
    return summary if path.is_dir() and identify(summary).name == "verification" else path


def _show_verification(summary: Path, out: Path | None, json: bool) -> None:
    """Prints the tables of `holdfast verify` again, and writes their page."""
    from holdfast.commands.verify import show_noise
    from holdfast.pipeline.verifying import read_verified

    verified = read_verified(summary)
    if out is not None:
        from holdfast.artifacts import save_text
        from holdfast.pipeline.verification_page import verification_page

        with written_whole(out) as partial:
            save_text(partial, verification_page(verified, str(summary.parent)))
    show_noise(verified, summary.parent, json, page=out)


def _show_direction(file: Path, out: Path | None, json: bool) -> None:
    """Prints where a direction was found and from which prompts."""
    from holdfast.artifacts import load_direction

    direction = load_direction(file)
    sides = _sides(direction.made_by)
    result = {
        "file": str(file),
        "model": named_base(direction.made_by, direction.base),
        "layer": direction.layer,
        "dimensions": len(direction.vector),
        "length": float(direction.vector.norm()),
        "norm": direction.norm,
        **summary(direction.made_by),
        **sides,
    }
    if out is not None:
        _save_direction_page(out, file, direction)
    # Both sides name their prompts, so that the table does not list them a second time.
    in_table = {name: value for name, value in result.items() if name != "prompts" or "positive" not in sides}
    about = result | {"made_by": shown(direction.made_by)} | written(out)
    show_result(about, [table("Direction", ("what", "value"), facts(in_table))], json, note=written_note(out))


def _save_direction_page(out: Path, file: Path, direction: "Direction") -> None:
    from holdfast.artifacts import save_text
    from holdfast.report.direction_page import render_direction_page

    with written_whole(out) as partial:
        save_text(partial, render_direction_page(direction, str(file)))


def _sides(made_by: Mapping[str, Any]) -> dict[str, str]:
    """Names the prompts of each side, and the held-out pairs that the direction told apart, where the file has them."""
    from holdfast.report.direction_page import told_apart

    names = {side: name for side in ("positive", "negative") if (name := set_name(made_by, side))}
    told = told_apart(made_by)
    return names | ({"held-out pairs": told} if told else {})


def _show_map(shown: LayerMap, out: Path | None, json: bool) -> None:
    if out is not None:
        from holdfast.pipeline.picturing import save_picture

        save_picture(shown, out)
    tables = [
        layer_table(shown.title, shown.by_layer),
        *([_neuron_table(shown)] if shown.largest else []),
        table(shown.kind.capitalize(), ("what", "value"), shown.rows()),
    ]
    show_result(shown.as_json() | written(out), tables, json, note=written_note(out))


def _neuron_table(shown: LayerMap) -> Table:
    rows = [(neuron.layer, neuron.neuron, f"{neuron.score:.3g}") for neuron in shown.largest]
    return table(
        f"Neurons with the {len(rows)} largest scores", ("layer", "neuron", f"score ({shown.facts['unit']})"), rows
    )


def _refuse_picture(out: Path, kind: str) -> None:
    """Raises ValueError when the path cannot take a page or a picture of this kind of file."""
    if kind not in MAPS and out.suffix != ".html":
        raise ValueError(f"{KINDS[kind]} has a page and no figure; end --out {str(out)!r} with .html.")
    if out.suffix not in PICTURES:
        raise ValueError(f"--out {str(out)!r} names no kind of picture; end it with .html, .svg or .png.")
    refuse_existing(out)
    if out.suffix == ".png":
        from holdfast.report.figure_files import png_writer

        png_writer()
