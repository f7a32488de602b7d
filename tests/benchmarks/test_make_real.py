"""docs/real.md says what the committed rates of `make real` say."""

import json
import re

import pytest

from tests.quoted import ROOT

RATES = json.loads((ROOT / "benchmarks/real/results/make_real.json").read_text(encoding="utf-8"))
ROWS = {
    cells[0]: cells[1:]
    for line in (ROOT / "docs/real.md").read_text(encoding="utf-8").splitlines()
    if (cells := [cell.strip() for cell in line.strip("|").split("|")])[0] in RATES["arms"]
}


def shown(rate, *, complement=False):
    """A rate with its interval as the page writes it. The share that is not refused becomes that of refusals."""
    ends = [rate["value"], rate["low"], rate["high"]]
    value, low, high = [1 - ends[0], 1 - ends[2], 1 - ends[1]] if complement else ends
    return [value, low, high]


@pytest.mark.parametrize("arm", RATES["arms"])
def test_every_row_equals_the_rates_of_the_run(arm):
    measured, cells = RATES["arms"][arm], ROWS[arm]
    written = [[float(number) for number in re.findall(r"\d+\.\d+", cell)] for cell in cells]
    assert written[0] == pytest.approx(shown(measured["not_refused"], complement=True), abs=0.0051)
    assert written[1] == pytest.approx(shown(measured["borderline"]), abs=0.0051)
    assert written[2] == pytest.approx(shown(measured["utility"]), abs=0.0051)
    if written[4]:
        assert written[4] == pytest.approx(shown(measured["task"]), abs=0.0051)


@pytest.mark.parametrize(("noisy", "place"), [("top", 0), ("safety_only", 0), ("random", 0), ("bottom", 0)])
def test_the_noise_at_the_papers_strength_equals_the_run(noisy, place):
    words = {"top": "the top", "safety_only": "the safety-only", "random": "a random", "bottom": "the bottom"}[noisy]
    page = (ROOT / "docs/real.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith(f"| {words} 0.1% |"))
    written = [float(number) for number in re.findall(r"\d+\.\d+", line)][1:]
    noise = RATES["noise"]
    expected = [*shown(noise[noisy][place]), *shown(noise["utility"][noisy][place])]
    assert written == pytest.approx(expected, abs=0.0051)
