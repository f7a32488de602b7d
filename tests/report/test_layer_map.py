"""The map as a page and as a figure: well formed, complete, and harmless whatever the names are."""

import re
from xml.etree import ElementTree

import pytest

from holdfast.models.by_layer import count_by_layer
from holdfast.report.figures import heat_map
from holdfast.report.layer_map import LONGEST, map_figure, map_page
from holdfast.report.records import Component
from tests.report.browser import CHROMIUM, browser
from tests.report.sample import HOSTILE

DIGITS = """[...document.querySelectorAll('figure svg g')].filter(cell => cell.querySelector('text').textContent)
    .map(cell => { const [box, text] = ['rect', 'text'].map(one => cell.querySelector(one));
        return [parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a,
                box.getBoundingClientRect().width - text.getBoundingClientRect().width]; })"""
"""Size in pixels of the digits in each cell of a map, and the room that they leave beside them."""
SHAPES = {
    f"model.layers.{layer}.{name}.weight": (100, 100)
    for layer in range(40)
    for name in ("self_attn.v_proj", "mlp.gate_proj")
}


SQUARES = {f"layers.{layer}.{name}.weight": (10, 10) for layer in range(2) for name in "ab"}


def counted(more=(), **chosen):
    shapes = SHAPES | dict.fromkeys(more, (10, 10))
    return count_by_layer(shapes, {"model.layers.3.self_attn.v_proj.weight": 90, **dict.fromkeys(more, 1), **chosen})


def test_a_relative_map_shows_multiples_of_the_density_of_the_whole():
    counts = count_by_layer({"layers.0.a": (10, 10), "layers.1.a": (10, 30)}, {"layers.0.a": 20, "layers.1.a": 20})
    parts = [Component(part.layer, part.component, part.chosen, part.entries) for part in counts.parts]
    figure = heat_map(parts, "relative")
    assert [cell.label for cell in figure.cells] == ["2.0", "0.7"]
    assert "20 of 100 entries selected, 2.0000 times the density of the whole" in figure.cells[0].title
    assert figure.most == "2, half that colour: 0.5"
    assert [round(cell.opacity, 3) for cell in figure.cells] == [1.0, 0.177]  # 0.05 + 0.95 * 0.4 * (1 - 2 / 3)
    assert [cell.is_below for cell in figure.cells] == [False, True]
    assert figure.cells[1].share == pytest.approx(1 / 3)


def test_a_figure_stands_alone_and_is_as_wide_as_its_title():
    title = "a rather long title " * 20
    small = count_by_layer({"layers.0.a": (4, 4)}, {"layers.0.a": 1})
    root = ElementTree.fromstring(map_figure(title, small))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert float(root.get("width", 0)) > 6 * len(title)


def test_what_is_known_of_the_file_stands_below_the_figure_in_lines_that_fit():
    rows = [("file", "scores.safetensors"), ("prompts", "a set of prompts, " * 40)]
    found = map_figure("a title", counted(), rows)
    root = ElementTree.fromstring(found)
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    lines = [text for text in texts if text.get("class") == "note" and text.text]
    joined = " ".join(str(line.text) for line in lines)
    assert "beside a random choice of as many: 1 is as often" in joined
    assert "file: scores.safetensors" in joined
    assert joined.count("a set of prompts") == 40
    height, width = float(root.get("height", 0)), float(root.get("width", 0))
    assert max(float(line.get("y", 0)) for line in lines) < height
    assert max(len(str(line.text)) for line in lines) * 6.2 <= width
    assert height > float(ElementTree.fromstring(map_figure("a title", counted())).get("height", 0))


@pytest.mark.parametrize("name", [HOSTILE, "\x1b[2J\x00", "]]>&<!--", "y" * 5000])
def test_hostile_names_do_nothing(name):
    found = counted(more=[f"model.layers.0.{name}", name])
    figure = ElementTree.fromstring(map_figure(name, found))
    tags = {element.tag.rpartition("}")[2] for element in figure.iter()}
    assert not tags & {"script", "img", "image", "a", "foreignObject"}
    lines = [text for text in figure.iter("{http://www.w3.org/2000/svg}text") if text.get("class") != "note"]
    assert max(len(text.text or "") for text in lines) <= max(LONGEST + 1, len(ascii(name)))
    page = map_page("mask", name, found, [("model", name)])
    assert not re.search(r"<script|<img src|\x1b|\x00", page)


def test_a_page_has_two_maps_with_titles_and_their_numbers_beneath():
    page = map_page("mask", "1 weight", counted(), [("file", "mask.safetensors")])
    assert page.count('role="img"') == 2
    assert 'aria-label="Density relative to the whole, by layer and component"' in page
    assert page.count("<table>") == 2
    assert "layer 3, v_proj: 90 of 10,000 entries selected" in page
    assert "default-src 'none'" in page


def test_an_empty_mask_has_a_page_without_a_map_and_one_without_layers_has_a_map():
    assert "<svg" not in map_page("mask", "0 weights", count_by_layer(SHAPES, {}), [])
    outside = count_by_layer({"lm_head.weight": (2, 2)}, {"lm_head.weight": 1})
    assert "<svg" in map_page("mask", "1 weight", outside, [])


@pytest.mark.parametrize(
    ("kind", "heading"),
    [
        ("mask", "Where this mask selects weights"),
        ("scores", "Where the largest scores of weights lie"),
        ("patch", "Where this patch changes weights"),
    ],
)
def test_the_heading_says_what_the_page_is_and_the_count_stands_below(kind, heading):
    page = map_page(kind, "90 weights selected: 1% of all", counted(), [])
    assert f"<h1>{heading}</h1>" in page
    assert '<p class="answer">90 weights selected: 1% of all. Densest layers: 3 ' in page


def test_the_page_names_the_model_and_components_stand_in_the_order_of_the_model():
    shapes = {f"model.layers.0.{name}.weight": (4, 4) for name in ("mlp.down_proj", "mlp.up_proj", "self_attn.q_proj")}
    found = count_by_layer(shapes, dict.fromkeys(shapes, 1) | {"model.layers.0.mlp.up_proj.weight": 3})
    page = map_page("mask", "3 weights", found, [], "SmolLM2")
    assert '<p class="eyebrow">holdfast show · SmolLM2</p>' in page
    assert page.index(">q_proj</text>") < page.index(">up_proj</text>") < page.index(">down_proj</text>")
    assert "holdfast show · " not in map_page("mask", "3 weights", found, [])


def test_the_colours_of_a_map_are_explained_in_words_and_its_numbers_have_a_digit_before_the_point():
    page = map_page("mask", "a mask", count_by_layer(SQUARES, {"layers.0.a.weight": 20, "layers.1.b.weight": 2}), [])
    legend = re.search(r'<div class="scale">(.*?)</div>', page, re.DOTALL)
    assert legend
    assert re.findall(r"<span>([^<]+)</span>", legend[1]) == [
        "The colours stand for multiples of a random choice, orange below 1:",
        *("0", "0.5", "1", "1.9", "2.6", "3.6"),
    ]
    assert re.findall(r"opacity:([\d.]+)", legend[1])[-1] == "1.0"
    assert "All cells add up to 100%." in page
    assert "full colour" not in page
    assert ">91%</text>" in page
    assert not re.search(r">\.\d\d</text>", page)


def test_one_component_over_many_layers_is_drawn_as_bars_as_long_as_their_numbers():
    shapes = {f"layers.{layer}.a.weight": (10, 10) for layer in range(20)}
    counts = count_by_layer(shapes, {"layers.0.a.weight": 40, "layers.1.a.weight": 20})
    page = map_page("mask", "60 weights", counts, [])
    widths = [float(one) for one in re.findall(r'<rect class="cell"[^>]* width="([\d.]+)"', page)]
    assert widths[0] > 200
    assert widths[1] == pytest.approx(widths[0] / 2, abs=0.1)
    assert widths[2:] == [1.0] * 18
    assert page.count('role="img"') == 1, "a map of shares would be the same"
    assert "The longest bar stands for 13.3." in page
    assert "densest component" not in page


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")
def test_on_a_phone_the_numbers_of_a_map_are_large_and_stay_in_their_cells(tmp_path):
    names = [
        f"layers.{layer}.{part}_proj" for layer in range(30) for part in ("q", "k", "v", "o", "gate", "up", "down")
    ]
    counts = count_by_layer(dict.fromkeys(names, (100, 100)), dict.fromkeys(names, 1) | {names[0]: 9000})
    path = tmp_path / "map.html"
    path.write_text(map_page("mask", "some weights selected", counts, []), encoding="utf-8")
    with browser(tmp_path / "profile") as tab:
        tab.open(path, 390)
        heights, rooms = zip(*tab.value(DIGITS), strict=True)
    assert min(heights) >= 13
    assert min(rooms) > 0


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")
@pytest.mark.parametrize("width", [390, pytest.param(1440, marks=pytest.mark.slow)])
def test_the_page_is_no_wider_than_its_window(width, tmp_path):
    path = tmp_path / "map.html"
    path.write_text(map_page("mask", "90 weights selected", counted(), [("file", "f" * 200)]), encoding="utf-8")
    with browser(tmp_path / "profile") as tab:
        tab.open(path, width)
        assert tab.value("document.documentElement.scrollWidth") <= width
        assert not [event for event in tab.heard if event.get("method") == "Log.entryAdded"]


@pytest.mark.parametrize(
    ("kind", "rows", "warns"),
    [
        ("scores", (), True),
        ("mask", (("selector", "top"),), True),
        ("mask", (("selector", "random"),), False),
        ("patch", (), False),
    ],
)
def test_a_map_of_what_scores_chose_says_that_it_is_no_evidence_of_safety(kind, rows, warns):
    page = map_page(kind, "90 weights selected", counted(), rows)
    assert ("This map alone does not say that safety lies there." in page) == warns
