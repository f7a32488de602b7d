"""Neurons are scored, selected and tuned through files and commands, and wrong options are one sentence."""

import json
from pathlib import Path

import pytest

from holdfast.artifacts import load_mask, load_scores
from holdfast.cli import call
from tests.score.planted import HARMFUL, HARMLESS, PLANTED, planted

NAME = "model.layers.1.mlp.down_proj@input"
DOWN = "model.layers.1.mlp.down_proj.weight"
ONE = str(1 / 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model with a planted neuron on disk, its refusals, and harmless prompts."""
    place = tmp_path_factory.mktemp("planted")
    loaded, _ = planted()
    loaded.model.save_pretrained(place / "model")
    loaded.tokenizer.save_pretrained(place / "model")
    rows = [json.dumps({"prompt": prompt, "response": "sorry"}) for prompt in HARMFUL]
    (place / "refusals.jsonl").write_text("\n".join(rows))
    (place / "harmless.txt").write_text("\n".join(HARMLESS))
    return place


def score(folder: Path, out: str, *arguments: str) -> int:
    given = ["--objective", "utility", "--prompts", str(folder / "refusals.jsonl")]
    return call(["score", str(folder / "model"), *given, "--out", str(folder / out), *arguments])


def said(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_scores_masks_and_training_go_through_files(folder, capsys):
    out = folder / "scores.safetensors"
    assert score(folder, out.name, "--unit", "neuron", "--steps", "4", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["granularity"] == "neuron"
    assert told["completeness_error"] < 1
    scores = load_scores(out)
    assert scores.granularity == "neuron"
    assert scores.made_by["steps"] == 4
    examples = folder / "scores_examples.safetensors"
    assert load_scores(examples).granularity == "neuron_by_example"
    mask = folder / "mask.safetensors"
    assert call(["select", str(examples), "--selector", "votes", "--fraction", ONE, "--out", str(mask)]) == 0
    assert "1 neurons selected" in capsys.readouterr().out
    assert load_mask(mask).indices[NAME].tolist() == [PLANTED]
    random = folder / "random.safetensors"
    assert call(["select", str(out), "--selector", "random", "--like", str(mask), "--out", str(random)]) == 0
    columns = folder / "columns.safetensors"
    of = ["--weights-of", str(folder / "model"), "--parts", "down"]
    voted = ["--selector", "votes", "--fraction", ONE]
    assert call(["select", str(examples), *voted, *of, "--out", str(columns)]) == 0
    assert {name: len(index) for name, index in load_mask(columns).indices.items()} == {DOWN: 16}
    assert call(["select", str(examples), *voted, "--parts", "down", "--out", str(folder / "none")]) == 2
    assert "parts has no effect without weights-of" in said(capsys)
    sets = ["--task", str(folder / "refusals.jsonl"), "--iterations", "1", "--out", str(folder / "adapted")]
    assert call(["adapt", str(folder / "model"), "--mask", str(mask), *sets]) == 0
    held = json.loads((folder / "adapted" / "result.json").read_text())
    assert held["entries_protected"] == 3 * 16  # its column of down_proj, and its rows of gate_proj and up_proj
    assert held["protected_identical"]


def test_contrast_takes_other_prompts(folder, capsys):
    arguments = ["--unit", "neuron", "--method", "contrast", "--against", str(folder / "harmless.txt")]
    assert score(folder, "contrast.safetensors", *arguments) == 0
    assert "or with as many neurons in every tensor as the two masks" in " ".join(capsys.readouterr().out.split())
    scores = load_scores(folder / "contrast.safetensors")
    assert int(scores.entries[NAME].argmax()) == PLANTED
    assert not (folder / "contrast_examples.safetensors").exists()
    assert scores.made_by["against"]["count"] == 4


@pytest.mark.parametrize("method", ["contrast", "probe"])
def test_a_comparison_of_activations_needs_prompts_alone_and_no_judge(folder, capsys, method):
    (folder / "harmful.txt").write_text("\n".join(HARMFUL))
    out = folder / f"{method}-alone.safetensors"
    arguments = ["--unit", "neuron", "--method", method, "--prompts", str(folder / "harmful.txt")]
    arguments = ["score", str(folder / "model"), *arguments, "--against", str(folder / "harmless.txt")]
    assert call([*arguments, "--out", str(out)]) == 0, capsys.readouterr().err
    assert int(load_scores(out).entries[NAME].argmax()) == PLANTED
    assert "objective" not in load_scores(out).made_by
    other = str(folder / "not-written.safetensors")
    assert call([*arguments, "--judge", "refusal", "--out", other]) == 2
    assert "uses no judge" in said(capsys)
    assert call([*arguments, "--objective", "policy_gradient", "--out", other]) == 2
    assert "leave the objective out" in said(capsys)
    assert call([*arguments, "--generate.max-new-tokens", "3", "--out", other]) == 2
    assert "makes no responses here" in said(capsys)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--method", "contrast"], "method contrast scores neurons, not weights; choose one of esi, "),
        (
            ["--unit", "neuron", "--method", "esi"],
            "method esi scores weights, not neurons; choose one of alpha_weighted, ",
        ),
        (["--unit", "neuron", "--method", "probe"], "method probe compares activations with those of other prompts"),
        (["--steps", "5"], "steps has no effect on scores of weights; choose unit neuron, or leave it out"),
        (["--unit", "neuron", "--convergence"], "convergence is for scores of weights; leave it out, or score"),
        (["--unit", "neuron", "--layer-wise"], "layer-wise is for scores of weights; leave it out, or score"),
        (["--unit", "neuron", "--method", "none"], "unknown score 'none'"),
    ],
)
def test_options_of_another_unit_are_refused(folder, capsys, arguments, sentence):
    assert score(folder, "none.safetensors", *arguments) == 2
    assert sentence in said(capsys)
    assert not (folder / "none.safetensors").exists()
