"""The page on restoring says what the measurements in the repository say."""

import pytest

from benchmarks import restore


def test_the_page_is_what_the_measurements_say():
    assert restore.PAGE.read_text(encoding="utf-8") == restore.page()


def test_the_share_that_is_back_is_worked_out_by_hand(monkeypatch):
    """Attack success 0.1 aligned, 0.5 tuned, 0.2 restored: 0.3 of 0.4 is back."""
    known = {"tuned": (0.5, 0.9, 0.0), "effect_0.01": (0.2, 0.875, 0.125)}
    kinds = ("asr", "task", "over_refusal")
    rates = {name: dict(zip(kinds, ({"value": value} for value in each), strict=True)) for name, each in known.items()}
    monkeypatch.setattr(restore, "seeds_of", lambda tuned_by: [0])
    monkeypatch.setattr(restore, "read", lambda folder, name: rates[name])
    monkeypatch.setattr(restore, "start", lambda: {"asr": {"value": 0.1}})
    found = restore.changes("plain", "effect_0.01")
    assert found["back"] == [pytest.approx(0.75)]
    assert found["task"] == [pytest.approx(-0.025)]
    assert found["over_refusal"] == [0.125]


def test_an_interval_over_three_seeds_is_students():
    """Values 1, 2, 3: mean 2, standard error 1 / sqrt(3), quantile 4.303 at 2 degrees of freedom."""
    assert restore.over_seeds([1.0, 2.0, 3.0]) == "2.00 [-0.48, 4.48]"
    assert restore.over_seeds([1.0]) == "1.00"
    assert restore.over_seeds([]) == ""


@pytest.mark.parametrize(
    ("back", "task", "control", "expected"),
    [(0.8, -0.02, 0.2, True), (0.79, 0, 0, False), (1, -0.03, 0, False), (1, 0, 0.3, False), (None, 0, 0, None)],
)
def test_the_bars_hold_where_they_say(back, task, control, expected):
    assert restore.passes({"back": back, "task": task, "random_back": control}) is expected
