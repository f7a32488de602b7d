"""The page of a verification: what noise did, with intervals and corrected p values; hostile text is text."""

import re
from dataclasses import replace

import pytest

from holdfast.outcomes import Rate
from holdfast.report.verification_page import EffectRow, NoisyRates, VerificationContent, render_verification_page
from tests.report.browser import CHROMIUM, browser
from tests.report.sample import HOSTILE

UNTOUCHED = {"refusal": Rate(1.0, 0.8, 1.0, 16), "perplexity/refusals": Rate(1.2, 1.1, 1.3, 8)}
NOISY = {"refusal": Rate(0.25, 0.1, 0.5, 32, 3), "perplexity/refusals": Rate(2.3e9, 1.2e6, 4.5e12, 8)}
CONTENT = VerificationContent(
    model="mine",
    lead="Mask and control differ.",
    untouched=UNTOUCHED,
    points=(NoisyRates(0.38, UNTOUCHED, UNTOUCHED), NoisyRates(2.0, NOISY, UNTOUCHED)),
    effects={(2.0, "refusal"): EffectRow("-0.750 [-0.900, -0.500]", "0.001 (0.004)")},
    verdicts=("Noise 2: Not decided.",),
    warnings=("beware",),
    how_to_read=("Read the p in brackets.",),
    settings=(("judge", "testbed:guard"),),
)


def test_the_page_has_the_result_a_figure_of_each_measure_the_table_and_its_origin():
    page = render_verification_page(CONTENT).replace("\xa0", " ")
    assert "<h1>Noise on the weights of mine</h1>" in page
    assert page.count("<figure>") == 2
    row = page.partition("refusals of harmful prompts, noise 2</th>")[2].partition("</tr>")[0]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", row) == [
        "1.00 [0.80, 1.00] n=16",
        "0.25 [0.10, 0.50] n=32 (3 unscored)",
        "1.00 [0.80, 1.00] n=16",
        "-0.750 [-0.900, -0.500]",
        "0.001 (0.004)",
    ]
    for words in ("Mask and control differ.", "Not decided", "Beware", "Read the p in brackets.", "testbed:guard"):
        assert words in page
    assert "built-in test model" not in page


def test_without_a_control_the_page_has_neither_its_column_nor_a_test():
    points = tuple(replace(point, control=None) for point in CONTENT.points)
    page = render_verification_page(replace(CONTENT, points=points, effects={}))
    assert "mask minus control" not in page
    assert "noise 2, control" not in page
    assert "noise 2, mask" in page


def test_hostile_names_and_a_hostile_lead_are_text():
    hostile = replace(CONTENT, model=HOSTILE, lead=HOSTILE, warnings=(HOSTILE,), settings=((HOSTILE, HOSTILE),))
    page = render_verification_page(hostile)
    assert HOSTILE not in page
    assert "<script" not in page


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")
def test_on_a_phone_the_page_scrolls_in_no_direction_but_down(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(render_verification_page(CONTENT), encoding="utf-8")
    with browser(tmp_path / "profile") as tab:
        tab.open(path, 390)
        assert tab.value("document.documentElement.scrollWidth") <= 390
        boxes = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).length"
        assert tab.value(boxes) == 0
