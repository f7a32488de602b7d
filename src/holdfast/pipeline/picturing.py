"""Writes the tables of `holdfast show` as a picture: a page, or a figure."""

from pathlib import Path

from holdfast.artifacts import save_text
from holdfast.made_by import model_name
from holdfast.pipeline.outputs import written_whole
from holdfast.pipeline.showing import LayerMap
from holdfast.report.figure_files import save_png
from holdfast.report.layer_map import map_figure, map_page
from holdfast.report.subject import short_name


def map_page_of(shown: LayerMap) -> str:
    """Renders the page of scores, a mask or a patch."""
    model = model_name(shown.made_by)
    return map_page(shown.kind, shown.title, shown.by_layer, shown.rows(), short_name(model) if model else None)


def save_picture(shown: LayerMap, out: Path) -> None:
    """Writes a page (.html) or a figure (.svg, .png), by the file's suffix.

    Raises:
        ValueError: `out` exists, or CairoSVG is not installed.
    """
    with written_whole(out) as partial:
        if out.suffix == ".html":
            save_text(partial, map_page_of(shown))
            return
        figure = map_figure(shown.title, shown.by_layer, shown.rows())
        if out.suffix == ".svg":
            save_text(partial, figure)
        else:
            save_png(figure, partial)
