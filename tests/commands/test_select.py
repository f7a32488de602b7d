"""`holdfast select` on made-up scores: every selector, every restriction, and what goes with what."""

import json

import pytest

from holdfast.artifacts import load_mask, load_scores
from holdfast.cli import call
from holdfast.commands.select import SelectorOptions
from holdfast.select import SELECTORS, TopOptions, select_top
from tests.commands.made import write_scores


@pytest.fixture
def scores(tmp_path):
    return write_scores(tmp_path / "scores.safetensors")


@pytest.fixture
def select(scores, tmp_path):
    """Runs the command; returns its exit code."""
    out = str(tmp_path / "mask.safetensors")
    return lambda *arguments: call(["select", str(scores), "--out", out, *arguments])


def made(tmp_path):
    return load_mask(tmp_path / "mask.safetensors")


def test_help_shows_every_selector_and_every_option_with_its_docstring(capsys):
    assert call(["select", "--help"]) == 0
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name in SELECTORS:
        assert name in words
        for option in SELECTORS[name].options.model_fields:
            assert f"--{option.replace('_', '-')}" in words
    assert "Smallest score to select, in the unit of the scores" in words
    assert "Layers to select from" in words


def test_the_command_takes_the_options_of_all_selectors_in_their_words():
    described = {name: field.description for name, field in SelectorOptions.model_fields.items()}
    expected = {}
    for name in SELECTORS:
        expected |= {option: field.description for option, field in SELECTORS[name].options.model_fields.items()}
    assert described == expected
    assert all(described.values())


def test_layers_and_components_restrict_the_mask_and_leave_the_budget(select, tmp_path, capsys):
    part = ["--layers", "0", "--layers", "1", "--components", "v_proj"]
    assert select("--fraction", "0.1", *part, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["num_selected"], result["density"], result["selector"]) == (100, 0.1, "top")
    assert all("v_proj" in name for name in made(tmp_path).indices)


def test_the_mask_is_shown_by_layer_and_component_with_its_densities(select, tmp_path, capsys):
    assert select("--fraction", "0.1", "--layers", "1") == 0
    out = capsys.readouterr().out
    assert "100 weights selected: 10.0% of the scored, 5.00% of all" in out
    assert "Densest layers: 1 (2.00)" in out
    (tmp_path / "mask.safetensors").unlink()
    assert select("--fraction", "0.1", "--layers", "1", "--json") == 0
    records = json.loads(capsys.readouterr().out)["by_component"]
    assert [record["selected"] for record in records if record["layer"] == 0] == [0, 0]
    assert sum(record["share"] for record in records) == pytest.approx(1)


def test_a_threshold_selects_what_reaches_it(select, scores, tmp_path):
    assert select("--selector", "threshold", "--threshold", "0.9") == 0
    reach = sum(int((tensor >= 0.9).sum()) for tensor in load_scores(scores).entries.values())
    assert len(made(tmp_path)) == reach


def test_random_is_drawn_per_tensor_or_like_another_mask(select, scores, tmp_path):
    assert select("--selector", "random", "--per-tensor", "--fraction", "0.1", "--seed", "3") == 0
    per_tensor = made(tmp_path)
    assert {name: len(per_tensor[name]) for name in per_tensor.indices} == {
        name: tensor.numel() // 10 for name, tensor in load_scores(scores).entries.items()
    }
    like = tmp_path / "top.safetensors"
    assert call(["select", str(scores), "--out", str(like), "--layers", "1"]) == 0
    (tmp_path / "mask.safetensors").unlink()
    assert select("--selector", "random", "--like", str(like)) == 0
    control, top = made(tmp_path), load_mask(like)
    assert {name: len(control[name]) for name in control.indices} == {name: len(top[name]) for name in top.indices}


def test_safety_only_takes_utility_scores(select, scores, tmp_path):
    utility = write_scores(tmp_path / "utility.safetensors", seed=1)
    arguments = ["--selector", "safety_only", "--utility", str(utility), "--utility-fraction", "0.5"]
    assert select(*arguments, "--fraction", "0.1") == 0
    mask, critical = made(tmp_path), select_top(load_scores(utility), TopOptions(fraction=0.5))
    assert len(mask) == 100
    assert len(mask & critical) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--selector", "best"], "unknown selector 'best'; known: bottom, random, safety_only, threshold, top"),
        (["--threshold", "0.5"], "selector 'top' takes no threshold; it takes components, fraction, layers"),
        (["--seed", "0"], "selector 'top' takes no seed"),  # although 0 is the default
        (["--selector", "threshold", "--threshold", "0.5", "--fraction", "0.1"], "takes no fraction"),
        (["--selector", "bottom", "--like", "none"], "takes no like"),
        (["--utility", "none"], "takes no utility"),
        (["--selector", "threshold"], "needs threshold; give --threshold"),
        (["--selector", "safety_only"], "needs utility scores; make them by `holdfast score MODEL --objective utility"),
        (["--selector", "threshold", "--threshold", "nan"], "--threshold: "),
        (["--selector", "threshold", "--threshold", "7"], "selects none of the 1000 entries, whose scores range"),
        (["--layers", "2"], "lies in layer 2; there are 0, 1"),
        (["--components", "q_proj"], "there are mlp, self_attn, up_proj, v_proj"),
        (["--layers", "0", "--fraction", "0.6"], "cannot select 600 of the 500 entries"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(arguments, sentence, select, tmp_path, capsys):
    assert select(*arguments) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "mask.safetensors").exists()
