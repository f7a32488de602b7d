import copy
import re
from xml.etree import ElementTree

import pytest

from holdfast.report.figure_files import INSTALL, drawings, save_figures, standalone
from holdfast.report.page import render_page
from tests.report.sample import HOSTILE, by_expert, full_report, read


@pytest.fixture(scope="module")
def report():
    told = full_report()
    told["locate"]["by_expert"] = by_expert(4, 8)
    return told


def svgs(report):
    return [standalone(drawing) for drawing in drawings(read(report))]


def test_every_figure_of_the_page_is_a_file_and_is_drawn_alike(report):
    page = render_page(read(report))
    found = list(drawings(read(report)))
    assert len(found) == page.count("<figure>") > 20
    assert len({drawing.stem for drawing in found}) == len(found)
    assert all(drawing.svg.strip() in page for drawing in found)


def test_a_file_stands_alone(report):
    for text in svgs(report):
        root = ElementTree.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert float(root.get("width", 0)) >= 400
        assert not re.search(r"var\(|light-dark|url\(|href|<script", text)


def test_curves_bring_their_legend_and_others_need_none(report):
    (noise,) = [one for one in drawings(read(report)) if one.stem == "verify-attack-success"]
    text = standalone(noise)
    assert all(f">{label}</text>" in text for label in ("top", "safety-only", "random", "bottom"))
    assert not [one for one in drawings(read(report)) if one.curves and one.stem.startswith(("enhance", "adapt"))]


@pytest.mark.parametrize("name", [HOSTILE, "\x1b[2J\x00", "]]>&<!--"])
def test_hostile_names_leave_the_file_well_formed_and_without_a_script(name):
    report = full_report()
    report["locate"]["by_component"][0]["component"] = name
    report["enhance"]["before"]["groups"][f"asr/{name}"] = copy.deepcopy(report["enhance"]["before"]["asr"])
    for text in svgs(report):
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
        assert not tags & {"script", "img", "image", "a", "foreignObject"}


def test_names_that_differ_in_signs_alone_have_files_of_their_own(tmp_path):
    report = full_report()
    for name in ("asr/a b", "asr/a-b"):
        report["enhance"]["before"]["groups"][name] = copy.deepcopy(report["enhance"]["before"]["asr"])
    written = save_figures(read(report), tmp_path)
    assert len(set(written)) == len(written) == len([*tmp_path.iterdir()])


def test_a_folder_that_holds_anything_is_refused(tmp_path):
    (tmp_path / "mine.svg").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.svg"):
        with pytest.raises(ValueError, match="is not an empty folder; choose another one with --figures"):
            save_figures(read(full_report()), folder)
    assert (tmp_path / "mine.svg").read_text() == "mine"


def test_without_cairosvg_the_svg_files_are_written_and_one_sentence_says_what_to_install(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setitem(__import__("sys").modules, "cairosvg", None)
    written = save_figures(read(full_report()), tmp_path / "new")
    assert {path.suffix for path in written} == {".svg"}
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [INSTALL]


def test_png_files_lie_beside_them_where_cairosvg_is_installed(tmp_path):
    pytest.importorskip("cairosvg", reason="needs CairoSVG: the extra figures", exc_type=ImportError)
    written = save_figures(read(full_report()), tmp_path)
    images = [path for path in written if path.suffix == ".png"]
    assert len(images) == len(written) / 2
    for path in images:
        head = path.read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert int.from_bytes(head[16:20]) >= 1200
