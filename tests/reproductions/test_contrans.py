"""The reproduction of ConTrans chooses and summarises as its page says, and its small form runs on built-in models."""

import sys

import pytest
from reproductions.contrans import page, run
from reproductions.directions.summary import mean_with_ends, share_with_ends, spread, typical
from reproductions.value_concepts.refusal import chosen_of
from reproductions.value_concepts.refusal import spread as spread_prompts

from holdfast.directions.finding import Apart, Counted, RatedLayer


def test_sentences_are_cut_two_to_four_words_before_their_end_and_short_ones_left_out():
    text = "one two three four five six seven eight nine. And another sentence.\nA line"
    (found,) = run.cut_sentences([text, "too short to cut", text])
    assert "one two three four five six seven".startswith(found)
    assert 5 <= len(found.split()) <= 7
    assert run.cut_sentences([text], seed=1) == run.cut_sentences([text], seed=1)


def test_the_sources_layer_explains_the_targets_best_among_those_that_recognise():
    layers = [RatedLayer(layer, Apart(Counted(count, 20), 1.0)) for layer, count in enumerate((20, 12, 19))]
    rows = {str(layer): [{"explained": value}] for layer, value in enumerate((0.3, 0.9, 0.5))}
    assert run.source_layer(layers, rows, 0) == 2, "layer 1 explains most and recognises too little"
    unable = [RatedLayer(layer, Apart(Counted(count, 20), 1.0)) for layer, count in enumerate((10, 12, 9))]
    assert run.source_layer(unable, rows, 0) == 1, "the most able where none is able enough"


def test_the_largest_effect_that_keeps_the_perplexity_is_chosen_else_the_gentlest():
    rows = [{"effect": effect, "rise": rise} for effect, rise in ((0.1, 0.0), (0.5, 0.05), (0.9, 0.2))]
    assert chosen_of(rows, 0.1)["effect"] == 0.5
    assert chosen_of(rows[2:], 0.1)["effect"] == 0.9


def test_prompts_are_spread_over_their_set():
    assert spread_prompts(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert spread_prompts(list(range(3)), 5) == [0, 1, 2]


def test_summaries_by_hand():
    # mean 2, standard error 1 / sqrt(3), t with two degrees of freedom 4.303
    assert mean_with_ends([1.0, 2.0, 3.0]) == "+2.00 [-0.48, +4.48]"
    assert share_with_ends([1.0, 1.0], [2.0, 2.0]) == "50% [50%, 50%]"
    assert share_with_ends([1.0], [-1.0]) == "no effect to compare with"
    assert spread([[1.0, 3.0], [-1.0, -1.0]]) == "-1.00 to +2.00"
    assert spread([]) == "not run"
    assert typical([[1.0, 3.0], [-1.0, -1.0]]) == 1.5
    assert typical([]) is None


def cells(carried: float, control: float, rise: float) -> dict:
    own, moved, chance = ({"chat": {"effects": [value] * 3, "rise": rise}} for value in (1.0, carried, control))
    alone = {"effect-own": own, "effect-carried": moved, "effect-carried-mixed": moved}
    return alone | {f"effect-{kind}-0": chance for kind in page.DRAWN}


@pytest.mark.parametrize(
    ("carried", "control", "rise", "missed"), [(0.9, 0.2, 0.01, 0), (0.7, 0.2, 0.01, 1), (0.9, -0.4, 0.06, 4)]
)
def test_every_bar_says_if_it_is_met(carried, control, rise, missed):
    told = list(page.bars(cells(carried, control, rise)))
    for words in ("The map of sentences", "The map of unlabelled prompts"):
        of_map = [one for one in told if words in one]
        assert len(of_map) == 5
        assert sum("missed" in one for one in of_map) == missed
        assert sum(": met" in one for one in of_map) == 5 - missed
    assert list(page.bars({})) == ["- The map of sentences: not run.", "- The map of unlabelled prompts: not run."]


def test_controls_of_one_map_are_not_counted_as_those_of_another():
    found = {
        name: {"chat": {"effects": [value]}}
        for name, value in (("effect-labels-0", 1.0), ("effect-labels-mixed-0", 5.0))
    }
    assert page.drawn(found, "labels", "chat") == [[1.0]]
    assert page.drawn(found, "labels-mixed", "chat") == [[5.0]]


@pytest.mark.slow
def test_the_small_form_runs_goes_on_and_makes_its_part_of_the_page(tmp_path, monkeypatch):
    for name in ("RANDOM", "SHUFFLED_LABELS", "SHUFFLED_PAIRS", "GENERATED"):
        monkeypatch.setattr(run, name, 1)
    out = tmp_path / "small_to_other"
    given = {
        "harmful": "testbed:harmful_calibration", "harmless": "testbed:harmless_exchanges", "work": tmp_path / "work",
        "sentences": "testbed:questions_calibration", "asked": "testbed:harmful_heldout", "out": out,
        "borderline": "testbed:borderline", "unlabelled": "testbed:harmful_seen", "count": 120, "tokens": 2,
    }  # fmt: skip
    arguments = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["run.py", "testbed:aligned", "testbed:aligned-moe", *arguments])
    run.main()
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    run.main()
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    part = "\n".join(page.pair_part(out))
    assert "not run" not in part
    assert "| the target's own | 1.00 |" in part


def test_the_page_is_that_of_the_committed_results():
    assert page.PAGE.read_text(encoding="utf-8") == page.text()
