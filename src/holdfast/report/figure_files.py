"""Writes the page's figures as files for papers: SVG without outside styles, in light colours, and PNG.

The page's colours are CSS variables that follow the reader's screen (light-dark), and few programs besides browsers
read those. The files contain the light colours as plain values.
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from holdfast.artifacts import save_text
from holdfast.printable import printable
from holdfast.report.arms import MARKERS
from holdfast.report.downloads import file_stem
from holdfast.report.figures import Curve, Figure
from holdfast.report.page import environment, figures_of
from holdfast.report.records import Report

logger = logging.getLogger(__name__)

MARGIN = 14
NOTE_HEIGHT = 14
PNG_SCALE = 3
"""Dots per unit. A figure 400 units wide has at least 1,200 dots: at 300 per inch, 4 inches, a column of text."""
INSTALL = (
    "an SVG file needs nothing more, and a PNG file needs CairoSVG with the system library libcairo: run pip install "
    "'.[figures]' in the folder of the clone, and install libcairo with your system's packages."
)
HALVES = "prompts in each half (doubled from point to point)"


@dataclass(frozen=True)
class Drawing:
    """One figure of the page as SVG, with its name, its legend and its notes."""

    stem: str
    """Name of the figure's file, without the extension."""
    name: str
    sizes: str
    svg: str
    width: float
    height: float
    curves: tuple[Curve, ...] = ()
    """Curves that the legend lists."""
    notes: tuple[str, ...] = ()
    """Lines of small text below the figure."""


def save_figures(report: Report, folder: Path) -> list[Path]:
    """Writes every figure of the page as SVG, and as PNG if CairoSVG is installed. Returns the files.

    Raises:
        ValueError: the report has another schema, or the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{str(folder)!r} is not an empty folder; choose another one with --figures, or empty it.")
    to_png, written = _optional_png_writer(), []
    for drawing in drawings(report):
        text, path = standalone(drawing), folder / f"{drawing.stem}.svg"
        if path in written:  # two names that differ only in other characters than letters and digits
            path = folder / f"{drawing.stem}-{len(written)}.svg"
        save_text(path, text)
        written.append(path)
        if to_png is not None:
            to_png(bytestring=text.encode(), write_to=str(path.with_suffix(".png")), scale=PNG_SCALE)
            written.append(path.with_suffix(".png"))
    return written


def drawings(report: Report) -> Iterator[Drawing]:
    """Yields every figure of the page, in the page's order."""
    shown = figures_of(report)
    for selection in shown.selections:
        method, label = selection.method, selection.label
        for figure in selection.maps:
            yield _drawing(("locate", method, figure.name), figure, "heat_map", method, of=label, sizes=figure.most)
        if figure := selection.experts:
            yield _drawing(("locate", method, "experts"), figure, "expert_map", method, of=label, sizes=figure.most)
    if figure := shown.distribution:
        yield _drawing(("locate", "scores"), figure, "histogram", "top", report.locate.unit)
    if figure := shown.convergence:
        yield _drawing(("locate", "convergence"), figure, "curves", HALVES, of=figure.range_words, curves=figure.curves)
    for figure, _ in shown.noise:
        yield _drawing(("verify", figure.name), figure, "curves", of=figure.range_words, curves=figure.curves)
    for stage, figures in shown.forests.items():
        for figure in figures:
            yield _drawing((stage, figure.name), figure, "forest", sizes=figure.sizes)


def draw(template: str, figure: Figure, *arguments: object) -> Markup:
    """Draws a figure as SVG by the template of that name."""
    macro: Callable[..., Markup] = getattr(environment().get_template(f"{template}.svg.j2").module, template)
    return macro(figure, *arguments)


def _drawing(
    words: tuple[str, ...],
    figure: Figure,
    template: str,
    *arguments: object,
    of: str = "",
    sizes: str = "",
    curves: tuple[Curve, ...] = (),
) -> Drawing:
    name = f"{figure.name}, {of}" if of else figure.name
    noted = f"strongest colour: {sizes}" if template.endswith("map") else sizes
    svg = draw(template, figure, *arguments)
    return Drawing(file_stem(*words), name, noted, svg, figure.width, figure.height, curves)


def standalone(drawing: Drawing) -> str:
    """Writes a figure as one SVG file that contains its style, with name and legend above, on a light background."""
    above = MARGIN + 30 + (24 if drawing.curves or drawing.sizes else 0)
    below = above + drawing.height
    legend, x = [], MARGIN + 6.0
    for curve in drawing.curves:
        legend.append((curve.label, curve.method, curve.marker, x))
        x += 34 + 6 * len(curve.label)  # text 11 high is about 6 wide a letter
    inside = re.sub(r"<svg[^>]*>|</svg>", "", drawing.svg)  # the macros draw no svg in an svg
    text = environment().get_template("standalone.svg.j2").render(
        name=drawing.name,
        sizes=drawing.sizes,
        width=round(drawing.width + 2 * MARGIN, 1),
        height=round(below + NOTE_HEIGHT * len(drawing.notes) + MARGIN, 1),
        margin=MARGIN,
        above=above,
        below=round(below, 1),
        notes=drawing.notes,
        note_height=NOTE_HEIGHT,
        legend=legend,
        style=_light_style(),
        drawing=Markup(inside),
    )  # fmt: skip
    return "\n".join(map(printable, text.splitlines()))  # XML refuses control characters, which a name may hold


def _light_style() -> Markup:
    """Returns the style of figures with every CSS variable replaced by its light value, on white."""
    templates = environment()
    page = templates.get_template("style.css.j2").render(markers=MARKERS)
    declared = dict(re.findall(r"--([a-z_]+): ([^;]+);", page.partition("}")[0]))
    light = {name: re.sub(r"light-dark\(([^,]+),.*\)", r"\1", value) for name, value in declared.items()}
    light["paper"] = "#fff"

    def written_out(text: str) -> str:
        return re.sub(r"var\(--([a-z_]+)\)", lambda match: written_out(light[match[1]]), text)

    style = templates.get_template("figures.css.j2").render(markers=MARKERS)
    return Markup(written_out(style))


def png_writer() -> Callable[..., object]:
    """Returns the function of CairoSVG that turns SVG into PNG.

    Raises:
        ValueError: CairoSVG or the library cairo is not installed.
    """
    try:
        from cairosvg import svg2png  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError) as error:  # OSError: CairoSVG is installed, the library cairo is missing
        raise ValueError(f"{INSTALL} ({error})") from error
    return svg2png


def save_png(svg: str, path: Path) -> None:
    """Writes a figure as PNG.

    Raises:
        ValueError: CairoSVG or the library cairo is not installed.
    """
    png_writer()(bytestring=svg.encode(), write_to=str(path), scale=PNG_SCALE)


def _optional_png_writer() -> Callable[..., object] | None:
    try:
        return png_writer()
    except ValueError as error:
        logger.warning("%s", error)
        return None
