from pathlib import Path

import pytest

import holdfast
from holdfast.cli import call
from holdfast.report.cut_off import cut_off_of
from holdfast.report.page import render_page
from holdfast.report.schema import rate_json
from tests.report.sample import full_report, rate, read


def report_with(limit=64, *, stages=("enhance", "adapt"), **counts):
    """A report in which so many of 240 answers of an arm were cut off, and none elsewhere."""
    report = {name: section for name, section in full_report().items() if name in ("schema", *stages)}
    for stage in stages:
        section = report[stage]
        for name, suite in [*section.items(), *section.get("controls", {}).items()]:
            if isinstance(suite, dict) and "groups" in suite:
                suite["groups"]["cut_off/all"] = rate_json(rate(counts.get(name, 0)))
    return report | {"provenance": {"config": {"generate": {"max_new_tokens": limit}}}}


def test_the_share_cut_off_stands_on_the_first_screen_with_what_it_means():
    opening = render_page(read(report_with(before=192, after=60, random=90))).partition("<main>")[0]
    assert "Between 0.00 and 0.80 of the answers of an arm were cut off by the limit of 64 tokens." in opening
    assert "so attack success may be misstated: run again with generate.max_new_tokens = 256 or more." in opening
    assert "<dt>SET, before</dt><dd>0.80 [0.74, 0.85] n=240</dd><dt>SET, top</dt><dd>0.25 [0.20, 0.31]" in opening


def test_every_arm_has_a_row_controls_too():
    report = report_with(plain=24, random=12)
    rows = dict(cut_off_of(read(report)).rows)
    assert list(rows) == [
        *(
            f"SET, {arm}"
            for arm in ("before", "top", "safety-only", "random", "bottom", "refusals alone", "all weights")
        ),
        *(f"SPA, {arm}" for arm in ("start", "plain", "hold top", "hold safety-only", "hold random")),
    ]
    assert rows["SET, random"] == rate(12)
    opening = render_page(read(report)).partition("<main>")[0].partition('id="cut"')[2].partition("</section>")[0]
    assert opening.count("<dt>") == 12


def test_where_no_answer_was_cut_off_one_line_says_so():
    found = cut_off_of(read(report_with(stages=("adapt",))))
    assert (found.rows, found.sentence) == ((), "No answer was cut off by the limit of 64 tokens: n=1,200.")


def test_under_a_long_limit_nothing_is_advised():
    assert cut_off_of(read(report_with(256, before=12))).sentence.endswith("were cut off by the limit of 256 tokens.")
    assert "may be misstated" in cut_off_of(read(report_with(255, before=12))).sentence


@pytest.mark.parametrize(("count", "warns"), [(1, False), (2, False), (3, True)])  # of 240: 0.004, 0.008, 0.0125
def test_a_share_that_prints_as_nothing_raises_no_alarm(count, warns):
    found = cut_off_of(read(report_with(64, before=count)))
    assert found.misstates is warns
    less = "Less than 0.01 of the answers of every arm were cut off by the limit of 64 tokens."
    assert (found.sentence == less) is not warns
    assert ("may be misstated" in found.sentence) is warns


def test_a_report_without_answers_or_without_a_limit_says_what_it_can():
    assert cut_off_of(read({"schema": 1})) is None
    assert cut_off_of(read(full_report())).sentence == "0.01 of the answers of an arm were cut off."


@pytest.mark.parametrize(("limit", "warns"), [(64, True), (256, False)])
def test_a_run_warns_in_the_terminal_where_the_limit_is_short(limit, warns, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("holdfast.pipeline.run.run.run", lambda *_: report_with(limit, before=192))
    config = Path(holdfast.__file__).parent / "configs" / "set.toml"
    assert call(["run", str(config), "--out", str(tmp_path / "run")]) == 0
    shown = " ".join(capsys.readouterr().err.split())
    assert ("warning: Between 0.00 and 0.80 of the answers of an arm were cut off" in shown) is warns
