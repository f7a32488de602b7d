"""The committed gains are those of the script, and the page is made of them."""

import pytest
from reproductions.gapo import page, run

from holdfast.artifacts import load_json


def test_the_committed_gains_are_those_of_the_script():
    found = load_json(run.RESULTS)["gains"]["20"]
    assert set(found) == set(run.WAYS)
    for name, way in run.WAYS.items():
        for seed in (0, 9):
            assert run.gains(way, seed).tolist() == pytest.approx(found[name][seed], abs=1e-9)


def test_the_page_is_made_of_the_committed_gains():
    assert page.PAGE.read_text(encoding="utf-8") == page.page()


def test_an_interval_by_hand():
    """Mean 2, standard deviation 1, three values: 4.303 / sqrt(3) = 2.484 to each side."""
    assert page.with_interval([1.0, 2.0, 3.0]) == "2.00 [-0.48, 4.48]"
