"""`holdfast show`."""

from pathlib import Path

from holdfast.commands.console import Json, shown_progress, table
from holdfast.commands.console import show as show_result
from holdfast.commands.layers import layer_table
from holdfast.file_kinds import identify
from holdfast.pipeline.outputs import refuse_existing
from holdfast.pipeline.showing import MAPS, LayerMap, read_map
from holdfast.wrong_files import refuse_unshown

PICTURES = (".html", ".svg", ".png")


def show(file: Path, *, prompt: str | None = None, out: Path | None = None, json: Json = False) -> None:
    """Show what a file of holdfast holds: scores, a mask or a patch by layer and component, or an evaluation.

    Example: holdfast show mask.safetensors --out map.html

    One answer of an evaluation: holdfast show evaluation.json --prompt "steal a kite"

    Each cell of the table is a share divided by that share of the whole model: the share of the weights there that a
    mask selects, that a patch changes, or whose scores are in the largest 1%. 2 is twice the average, 1 is the average,
    which a random choice gives, and 0 is none.

    Parameters
    ----------
    file
        File of scores, a mask, a patch or an evaluation.
    prompt
        Print the full answers of an evaluation to one prompt: a part of its text, or the number of its row, from 1 on.
    out
        File for a picture of the table: a page (.html), or a figure (.svg, or .png with the extra `figures`). Missing
        folders are created.
    json
        Print one JSON object.
    """
    kind = identify(file)
    refuse_unshown(file, kind)
    if out is not None:
        _refuse_picture(out, kind.name)
    if prompt is not None and kind.name in MAPS:
        raise ValueError(
            f"{str(file)!r} is {kind.words} and holds no answers; leave out --prompt, or give an evaluation."
        )
    if kind.name in MAPS:
        with shown_progress() as progress:
            shown = read_map(file, kind.name, progress)
        _show_map(shown, out, json)
    else:
        from holdfast.commands.evaluations import show_evaluation

        show_evaluation(file, json, prompt)


def _show_map(shown: LayerMap, out: Path | None, json: bool) -> None:
    if out is not None:
        from holdfast.pipeline.picturing import save_picture

        save_picture(shown, out)
    tables = [
        layer_table(shown.title, shown.by_layer),
        table(shown.kind.capitalize(), ("what", "value"), shown.rows()),
    ]
    result = shown.as_json() | ({"out": str(out)} if out else {})
    show_result(result, tables, json, note=f"Picture: {out}" if out else None)


def _refuse_picture(out: Path, kind: str) -> None:
    """Raises ValueError when the path cannot take a picture, or the file has no map to draw."""
    if kind not in MAPS:
        raise ValueError("an evaluation has no map by layer; leave out --out, or give scores, a mask or a patch.")
    if out.suffix not in PICTURES:
        raise ValueError(f"--out {str(out)!r} names no kind of picture; end it with .html, .svg or .png.")
    refuse_existing(out)
    if out.suffix == ".png":
        from holdfast.report.figure_files import png_writer

        png_writer()
