"""Pages of files and values from a script, and refusals in one sentence."""

import re

import pytest
import torch

from holdfast import Direction, Mask, Scores, save_direction, save_evaluation, save_mask, save_page, save_scores
from holdfast.evaluate.verified import Verified
from tests.evaluate.constructed import SETTINGS, aligned, answers, evaluation, first

MASK = Mask({"layers.0.a": torch.tensor([1])}, {"layers.0.a": (2, 2)}, "base", 4)
DIRECTION = Direction(torch.ones(16), 3, 1.0, "base")


def made():
    return aligned(made_by=SETTINGS | {"model": {"name": "mine", "fingerprint": "ab" * 32}})


def test_an_evaluation_and_a_direction_in_memory_have_pages(tmp_path):
    save_page(tmp_path / "new" / "e.html", made())
    page = (tmp_path / "new" / "e.html").read_text()
    assert "<h1>Evaluation of mine</h1>" in page
    assert "ab" * 32 in page
    save_page(str(tmp_path / "d.html"), DIRECTION)
    assert "A direction in layer 3" in (tmp_path / "d.html").read_text()


def test_every_file_that_show_reads_has_a_page(tmp_path):
    save_mask(tmp_path / "m.safetensors", MASK)
    save_direction(tmp_path / "d.safetensors", DIRECTION)
    save_evaluation(tmp_path / "e.json", made())
    for name, heading in {
        "m.safetensors": "Where this mask selects weights",
        "d.safetensors": "A direction in layer 3",
        "e.json": "Evaluation of mine",
    }.items():
        out = tmp_path / f"{name}.html"
        save_page(out, str(tmp_path / name))
        assert heading in out.read_text()
        assert str(tmp_path / name) in out.read_text()


def test_what_verify_returned_has_a_page_that_says_what_came_out(tmp_path):
    lost = evaluation(answers("asr", first(19, 20)), made_by=SETTINGS)
    kept = evaluation(answers("asr", first(0, 20)), made_by=SETTINGS)
    for control, sentence in (
        ((kept, kept), "Mask and control differ beyond chance in attack success rate at noise 2 (corrected p "),
        ((lost, lost), "In no measure do mask and control differ beyond chance (smallest corrected p 1.000)."),
        ((), "There is no control, so no test says whether this mask matters more than others."),
    ):
        save_page(tmp_path / "v.html", Verified(kept, (2.0,), (lost, lost), control), overwrite=True)
        page = (tmp_path / "v.html").read_text()
        assert "<h1>Noise on the weights of ./<wbr>before</h1>" in page
        assert sentence in page


def test_an_existing_page_is_kept_unless_the_caller_allows_to_replace_it(tmp_path):
    (tmp_path / "e.html").write_text("mine")
    with pytest.raises(ValueError, match="exists already; choose another path, or give overwrite=True"):
        save_page(tmp_path / "e.html", made())
    assert (tmp_path / "e.html").read_text() == "mine"
    save_page(tmp_path / "e.html", made(), overwrite=True)


def test_a_page_of_scores_counts_the_share_that_is_given(tmp_path):
    scores = Scores({"layers.0.a": torch.arange(1.0, 101.0).view(10, 10)}, "nats", "base", 100)
    save_scores(tmp_path / "s.safetensors", scores)
    save_page(tmp_path / "s.html", tmp_path / "s.safetensors", fraction=0.5)
    assert "50 of 100 (50.0%) are 51 or more" in (tmp_path / "s.html").read_text()


@pytest.mark.parametrize(
    ("shown", "fraction", "sentence"),
    [
        (DIRECTION, 0.1, "to show Direction; leave the fraction out, or give the path of a file of scores"),
        ("{tmp}/m.safetensors", 0.1, "to show a mask; leave the fraction out, or give the path of a file of scores"),
        ("{tmp}/missing", 0.1, "missing' does not exist; check the path"),
        ("{tmp}/m.safetensors", 5, "fraction=5 is not a share above 0 and below 1; write 5% as 0.05"),
        ("{tmp}/m.safetensors", "1%", "fraction='1%' is not a share above 0 and below 1; give a number such as 0.01"),
    ],
)
def test_a_fraction_that_nothing_takes_is_one_sentence(shown, fraction, sentence, tmp_path):
    save_mask(tmp_path / "m.safetensors", MASK)
    given = shown.format(tmp=tmp_path) if isinstance(shown, str) else shown
    with pytest.raises(ValueError, match=re.escape(sentence)):
        save_page(tmp_path / "page.html", given, fraction=fraction)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("name", "shown", "sentence"),
    [
        ("e.svg", DIRECTION, r"e.svg' names no page; end it with .html\.$"),
        ("e.html", MASK, "got Mask; save scores, a mask or a patch, and give the path"),
        ("e.html", "missing.json", "'missing.json' does not exist; check the path"),
    ],
)
def test_what_has_no_page_is_one_sentence(name, shown, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        save_page(tmp_path / name, shown)
    assert not list(tmp_path.iterdir())
