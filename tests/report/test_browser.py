"""The page in a real browser: nothing runs, nothing is fetched, nothing overflows, every figure is drawn."""

import json
import os
from pathlib import Path

import pytest

from holdfast.report.page import render_page
from tests.report.browser import CHROMIUM, browser
from tests.report.sample import HOSTILE, by_expert, full_report, read

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")
AXE = [
    Path(folder) / "node_modules/axe-core/axe.min.js"
    for folder in (*Path(__file__).parents, os.environ.get("NODE_PATH", "."))
]
A4 = 718  # 210 mm less Chromium's margins of 1 cm, at 96 dots an inch
SERIOUS = ("serious", "critical")
INK, PAPER = (
    {"light": "rgb(28, 33, 40)", "dark": "rgb(233, 230, 224)"},
    {"light": "rgb(250, 249, 246)", "dark": "rgb(20, 23, 27)"},
)
SHOWN = """[...document.querySelectorAll('figure svg, .legend svg')].filter(drawing => {
    const box = drawing.getBoundingClientRect();
    return box.width > 10 && box.height > 10 && drawing.querySelector('path, rect, polyline, circle');
}).length"""
OVERFLOWING = """[...document.querySelectorAll('body *')].filter(one => !one.closest('.frame, .scroll, .unseen')
    && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))"""


def slowly(*values):
    """A width or a scheme beyond the narrowest window in light, run by `make thorough`."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A mixture of experts with long names, a response that is hostile and one of 100 kB."""
    report = full_report()
    report["locate"]["by_expert"] = by_expert(8, 16)
    report["locate"]["safety_only"]["by_component"] = [
        {"layer": layer, "component": "experts.gate_up_proj", "selected": layer, "entries": 10_000}
        for layer in range(80)
    ]
    report["enhance"]["routing_drift"] = 0.01
    report["examples"][0]["after"] = "y" * 100_000
    report["examples"] += [report["examples"][0] | {"prompt": HOSTILE, "before": HOSTILE, "after": HOSTILE}]
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(read(report)), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("width", "media"), [(390, "screen"), slowly(1440, "screen"), slowly(A4, "print")])
def test_the_page_is_whole_quiet_and_no_wider_than_its_window(tab, page, width, scheme, media):
    tab.open(page, width, scheme, media)
    tab.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(OVERFLOWING) == []
    assert tab.value(SHOWN) == tab.value("document.querySelectorAll('main svg').length") > 20
    assert tab.value("document.querySelectorAll('script, img, iframe, link').length") == 0
    assert tab.events("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown") == []
    assert [event["request"]["url"] for event in tab.events("Network.requestWillBeSent")] == [page.as_uri()]


@pytest.mark.parametrize("width", [390, slowly(1440)])
def test_every_section_is_one_tap_away_and_no_link_is_too_small_for_a_thumb(tab, page, width):
    tab.open(page, width)
    links = tab.value("[...document.querySelectorAll('.bar nav a')].map(one => one.getAttribute('href'))")
    assert links == ["#locate", "#verify", "#enhance", "#adapt", "#examples", "#limits"]
    boxes = tab.value("[...document.querySelectorAll('.bar nav a')].map(one => one.getBoundingClientRect().toJSON())")
    assert all(box["height"] >= 40 and box["width"] >= 30 and box["right"] <= width for box in boxes)
    assert len({box["top"] for box in boxes}) == 1, "in one row"
    tab.value("scrollTo({top: 5000, behavior: 'instant'})")
    assert tab.value("document.querySelector('.bar').getBoundingClientRect().top") == 0, "stays in sight"


def test_the_model_the_answers_with_their_controls_and_the_way_to_the_limits_are_on_the_first_screen(tab, page):
    tab.open(page, 1440)
    bottoms = tab.value(
        "['h1', '.lead', '.short', '.bar a[href=\\'#limits\\']'].map(one => "
        "document.querySelector(one).getBoundingClientRect().bottom)"
    )
    assert max(bottoms) < 900


def test_the_three_figures_of_noise_stand_side_by_side_and_fill_the_width(tab, tmp_path):
    report = full_report()
    report["verify"]["coherence"] = report["verify"]["utility"]
    path = tmp_path / "report.html"
    path.write_text(render_page(read(report)), encoding="utf-8")
    tab.open(path, 1280)
    boxes = tab.value(
        "[...document.querySelectorAll('#verify .three svg')].map(one => one.getBoundingClientRect().toJSON())"
    )
    section = tab.value("document.querySelector('#verify').getBoundingClientRect().toJSON()")
    assert len(boxes) == 3
    assert len({box["top"] for box in boxes}) == 1
    assert (boxes[0]["left"], boxes[2]["right"]) == pytest.approx((section["left"], section["right"]), abs=1)
    letters = tab.value(
        "Math.min(...[...document.querySelectorAll('#verify .three text')].map("
        "one => parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a))"
    )
    assert letters >= 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_reader(tab, page, scheme):
    tab.open(page, 1440, scheme)
    assert tab.value("getComputedStyle(document.body).color") == INK[scheme]
    assert tab.value("getComputedStyle(document.body).backgroundColor") == PAPER[scheme]


def test_print_is_on_white_also_for_a_reader_in_the_dark(tab, page):
    tab.open(page, 1440, "dark", "print")
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.value("getComputedStyle(document.body).color") == INK["light"]


def test_a_hostile_response_is_text_and_a_long_one_is_cut(tab, page):
    tab.open(page, 390)
    said = tab.value("[...document.querySelectorAll('.said')].map(one => one.textContent)")
    assert HOSTILE in said
    assert max(map(len, said)) < 5000
    assert tab.events("Page.javascriptDialogOpening") == []


def test_a_table_is_saved_as_csv_without_a_request(tab, page, tmp_path):
    tab.open(page, 1440)
    tab.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    tab.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    tab.value("document.querySelector('a[download]').click()")
    while not any(event["state"] == "completed" for event in tab.events("Page.downloadProgress")):
        tab.listen()
    (saved,) = tmp_path.iterdir()
    assert saved.name == "selected-entries-by-layer-and-component-top-1.csv"
    assert saved.read_text().startswith("layer,component,selected,entries,")
    assert tab.events("Log.entryAdded") == []


@pytest.mark.parametrize(("scheme", "width"), [slowly("light", 1440), slowly("dark", 1440), ("light", 390)])
def test_axe_finds_no_serious_barrier(tab, page, scheme, width):
    axe = next((path for path in AXE if path.is_file()), None)
    if axe is None:
        pytest.skip("needs axe-core in node_modules: npm install axe-core")
    tab.open(page, width, scheme)
    tab.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    tab.value(axe.read_text(encoding="utf-8") + "; 0")
    found = tab.value("axe.run().then(found => JSON.stringify(found.violations))")
    barriers = [(one["id"], one["nodes"][0]["html"]) for one in json.loads(found) if one["impact"] in SERIOUS]
    assert barriers == []
