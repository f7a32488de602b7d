"""Every label of a heat map can be read in light and in dark: WCAG's contrast, reckoned anew from the page."""

import re

import pytest

from holdfast.report.colours import COLOURS, label_class
from holdfast.report.page import render_page
from tests.report.sample import full_report, read

AA = 4.5
"""What WCAG 2.2 asks of text as small as these labels."""


def luminance(rgb):
    channels = [one / 255 for one in rgb]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def rgb(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    return [int(digits[at : at + 2], 16) for at in (0, 2, 4)]


def mixed(above, below, opacity):
    return [round(opacity * one + (1 - opacity) * other) for one, other in zip(above, below, strict=True)]


def declared(page):
    """The page's variables that have a colour in light and one in dark."""
    found = re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\);", page)
    return {name: (rgb(light), rgb(dark)) for name, light, dark in found}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_label_of_every_map_of_the_page_stands_out_from_its_cell(theme):
    page = render_page(read(full_report()))
    colours = {name: pair[theme] for name, pair in declared(page).items()}
    cells = re.findall(
        r'<g class="m-(\w+)">\s*<title>[^<]*</title>\s*<rect class="cell"[^>]* fill-opacity="([\d.]+)"/>'
        r'\s*<text class="cell-label on-(\w\w)"[^>]*>([^<]*)</text>',
        page,
    )
    assert len(cells) == page.count('class="cell-label') == 4 * 56
    for method, opacity, label, _ in cells:
        assert contrast(colours[label], mixed(colours[method], colours["card"], float(opacity))) >= AA


@pytest.mark.parametrize("method", COLOURS)
def test_a_label_stands_out_at_every_strength_of_every_colour(method):
    colours = declared(render_page(read({"schema": 1})))
    for step in range(1001):
        name = label_class(step / 1000, method).removeprefix("on-")
        for theme in (0, 1):
            cell = mixed(colours[method][theme], colours["card"][theme], step / 1000)
            assert contrast(colours[name][theme], cell) >= AA, (step, theme)
