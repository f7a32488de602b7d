"""The page of a direction: its layer, its sides, its controls, its origin, and hostile names are text."""

import re

import torch

from holdfast.report.direction_page import UNTESTED, render_direction_page, told_apart
from holdfast.values import Direction
from tests.report.sample import HOSTILE

RECOGNISED = {
    "direction": {"recognised": [19, 20], "separation": 4.5},
    "shuffled": [{"recognised": [8, 20], "separation": -1.5}, {"recognised": [12, 20], "separation": 0.5}],
    "random": [{"recognised": [10, 20], "separation": 0.1}],
    "length": [11, 20],
    "p_shuffled": 0.048,
}
MADE_BY = {
    "model": {"name": "some/model", "fingerprint": "ab" * 32},
    "recognised": RECOGNISED,
    "positive": {"name": "harmful.txt", "count": 40, "hashes": "secret"},
    "negative": {"name": "harmless.txt", "count": 40, "hashes": "secret"},
}


def page_of(made_by=MADE_BY, file="d.safetensors"):
    return render_direction_page(Direction(torch.ones(16), 7, 2.0, "ab" * 32, made_by), file)


def test_the_page_says_where_the_direction_lies_what_it_tells_apart_and_what_to_do_next():
    page = page_of()
    assert "<h1>A direction in layer 7 of some/<wbr>model</h1>" in page
    assert "It points from harmless.txt to harmful.txt." in page
    assert "19 of 20 told apart (p 0.048 against shuffled labels)" in page
    test = "holdfast direction test some/model d.safetensors --positive OTHER.txt --negative OTHERS.txt"
    assert test in re.sub("</?span>", "", page)
    assert "secret" not in page


def test_controls_stand_beside_the_direction():
    rows = re.findall(
        r"<tr><th scope=\"row\">(.*?)</th><td class=number>(.*?)</td><td class=number>(.*?)</td></tr>", page_of()
    )
    assert rows == [
        ("this direction", "19 of 20", "4.50"),
        ("control: shuffled labels, 2 draws", "8 to 12 of 20", "0.50 to 1.50"),
        ("control: random directions, 1 draw", "10 of 20", "0.10"),
        ("control: length alone", "11 of 20", ""),
    ]


def test_a_direction_of_a_script_has_a_page_that_says_what_is_unknown():
    page = page_of({}, None)
    assert UNTESTED in page
    assert "<table>" not in page
    assert "holdfast direction test MODEL direction.safetensors" in page
    assert told_apart({}) is None


def test_hostile_names_do_nothing():
    made_by = {"model": {"name": HOSTILE}, "positive": {"name": HOSTILE}, "negative": {"name": HOSTILE}, HOSTILE: 1}
    assert not re.search(r"<script|<img", page_of(made_by, HOSTILE))
