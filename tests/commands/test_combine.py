"""`holdfast combine` on masks of made-up scores."""

import json

import pytest
import torch

from holdfast.artifacts import load_mask, load_scores, save_mask
from holdfast.cli import call
from holdfast.select import trim
from holdfast.shares import share_words
from holdfast.values import Mask
from tests.commands.made import write_scores


@pytest.fixture
def masks(tmp_path):
    """Paths of the top tenths by two unlike scores, and of the bottom tenth by the first."""
    for seed, name in enumerate(("first", "second")):
        scores = write_scores(tmp_path / f"{name}_scores.safetensors", seed)
        assert call(["select", str(scores), "--out", str(tmp_path / name), "--fraction", "0.1"]) == 0
    arguments = ["--selector", "bottom", "--fraction", "0.1", "--out", str(tmp_path / "bottom")]
    assert call(["select", str(tmp_path / "first_scores.safetensors"), *arguments]) == 0
    return [tmp_path / name for name in ("first", "second", "bottom")]


@pytest.fixture
def combine(tmp_path, masks, capsys):
    """Runs the command; returns its exit code."""
    capsys.readouterr()
    out = str(tmp_path / "out.safetensors")
    return lambda *arguments: call(["combine", *map(str, arguments), "--out", out])


def test_three_masks_are_joined_and_their_overlaps_printed_beside_chance(combine, masks, tmp_path, capsys):
    assert combine("union", *masks, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    first, second, bottom = (load_mask(path) for path in masks)
    assert load_mask(tmp_path / "out.safetensors").equals(first | second | bottom)
    assert result["num_selected"] == len(first | second | bottom)
    assert [(one["first"], one["second"]) for one in result["overlap"]] == [
        (str(masks[0]), str(masks[1])),
        (str(masks[0]), str(masks[2])),
        (str(masks[1]), str(masks[2])),
    ]
    assert result["overlap"][0]["iou"] == first.iou(second) > 0
    assert result["overlap"][0]["iou_low"] < result["overlap"][0]["iou"] < result["overlap"][0]["iou_high"]
    counts = [result["overlap"][0][key] for key in ("num_first", "num_second", "num_both")]
    assert counts == [len(first), len(second), len(first & second)]
    assert result["overlap"][1]["iou"] == 0
    assert result["overlap"][0]["random_iou"] == pytest.approx(0.1 / (2 - 0.1))


def test_a_measure_in_place_of_an_operation_is_told_which_command_prints_it(masks, capsys):
    assert call(["combine", "iou", str(masks[0]), str(masks[1])]) == 2
    assert (
        "'iou' is no operation; known: union, intersection, difference; intersection prints the IoU of the masks."
        in (capsys.readouterr().err)
    )
    assert call(["combine", "intersectoin", str(masks[0]), str(masks[1])]) == 2
    assert "did you mean 'intersection'?" in capsys.readouterr().err


def test_overlaps_are_printed_where_nothing_is_written_or_left(combine, masks, tmp_path, capsys):
    first, _, bottom = (str(path) for path in masks)
    assert call(["combine", "union", first, bottom]) == 0
    said = capsys.readouterr().out
    assert "Not written, as there is no --out." in said
    assert "0.0526" in said
    assert call(["combine", "intersection", first, bottom]) == 0
    said = capsys.readouterr().out
    assert "How much the masks share" in said
    assert "The intersection selects no weight." in said
    assert call(["combine", "intersection", first, bottom, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["num_selected"], result["overlap"][0]["iou"]) == (0, 0.0)
    assert combine("intersection", first, bottom) == 2
    assert "How much the masks share" in capsys.readouterr().out
    assert not (tmp_path / "out.safetensors").exists()


def test_difference_takes_the_others_from_the_first(combine, masks, tmp_path):
    assert combine("difference", *masks) == 0
    first, second, _ = (load_mask(path) for path in masks)
    assert load_mask(tmp_path / "out.safetensors").equals(first - second)


def test_the_result_is_trimmed_to_exactly_the_fraction_by_the_scores(combine, masks, tmp_path):
    scores = tmp_path / "second_scores.safetensors"
    assert combine("union", *masks[:2], "--trim", scores, "--fraction", "0.05") == 0
    mask = load_mask(tmp_path / "out.safetensors")
    assert len(mask) == 50
    assert mask.equals(trim(load_mask(masks[0]) | load_mask(masks[1]), load_scores(scores), 50))


def test_size_and_overlap_are_shown_as_tables(combine, masks, capsys):
    assert combine("intersection", *masks[:2]) == 0
    said = capsys.readouterr().out
    size = len(load_mask(masks[0]) & load_mask(masks[1]))
    assert f"{size} weights selected: {share_words(size, 1000)} of the scored" in said
    assert "0.0526" in said  # 0.1 / 1.9


def test_how_much_two_masks_share_is_printed_before_what_was_written(combine, masks, capsys):
    assert combine("union", *masks[:2]) == 0
    said = capsys.readouterr().out
    first, second = (load_mask(path) for path in masks[:2])
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if line.startswith("│")]
    assert rows[:5] == [
        ["first mask", str(masks[0])],
        ["second mask", str(masks[1])],
        ["weights in the first", "100"],
        ["weights in the second", "100"],
        ["weights in both", str(len(first & second))],
    ]
    assert [row[0] for row in rows[5:8]] == [
        "IoU [interval over matrices]",
        "IoU of two random masks of these sizes",
        "IoU of two random masks of these sizes in every tensor",
    ]
    assert said.startswith("How much the masks share")
    assert said.index("What they share by layer") < said.index(f"{len(first | second)} weights selected")


def test_of_three_masks_every_two_have_a_line(combine, masks, capsys):
    assert combine("union", *masks) == 0
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if line.startswith("│")]
    pairs = [(masks[0], masks[1]), (masks[0], masks[2]), (masks[1], masks[2])]
    assert [row[:4] for row in rows[:3]] == [[*map(str, pair), "100", "100"] for pair in pairs]
    assert "What they share by layer" not in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["symmetric", "{first}", "{second}"], "symmetric"),
        (["union", "{first}"], "give two or more"),
        (["union", "{first}", "{tmp}/none"], "does not exist"),
        (
            ["union", "{first}", "{other}"],
            "mask '{first}' and mask '{other}' are of different models or sites: of one with fingerprint",
        ),
        (["intersection", "{first}", "{bottom}"], "the intersection of these 2 masks selects no entry"),
        (["difference", "{first}", "{first}"], "was given twice; give two or more masks, each once"),
        (["union", "{first}", "{second}", "--fraction", "0.1"], "give --trim and --fraction, or neither"),
        (["union", "{first}", "{second}", "--trim", "{scores}"], "give --trim and --fraction, or neither"),
        (["union", "{first}", "{second}", "--trim", "{scores}", "--fraction", "0.5"], "cannot trim a mask of"),
        (
            ["union", "{first}", "{second}", "--trim", "{scores}", "--fraction", "nan"],
            "which stands for 'not a number'; give a number",
        ),
        (["union", "{first}", "{second}", "--trim", "{others}", "--fraction", "0.1"], "different models or sites"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(arguments, sentence, combine, masks, tmp_path, capsys):
    others = write_scores(tmp_path / "others.safetensors", base="other")
    assert call(["select", str(others), "--out", str(tmp_path / "other")]) == 0
    names = {name: str(tmp_path / name) for name in ("first", "second", "bottom", "other")}
    names |= {"tmp": str(tmp_path), "scores": str(tmp_path / "first_scores.safetensors"), "others": str(others)}
    capsys.readouterr()
    assert combine(*(argument.format(**names) for argument in arguments)) == 2
    said = capsys.readouterr().err
    assert sentence.format(**names) in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out.safetensors").exists()


def test_of_many_components_the_terminal_shows_those_with_most_weights(tmp_path, capsys):
    shapes = {f"model.layers.{layer}.mlp.up_proj.weight": (10, 10) for layer in range(20)}
    for file, first in (("a", 0), ("b", 1)):
        indices = {name: torch.arange(first, layer + 2) for layer, name in enumerate(shapes)}
        save_mask(tmp_path / file, Mask(indices, shapes, "base", 2000))
    assert call(["combine", "union", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    shown = capsys.readouterr().out
    assert "the 12 of 20 with most weights (--json has all)" in shown
    rows = shown.partition("with most weights")[2].splitlines()
    layers = [line.split("│")[1].strip() for line in rows if line.startswith("│") and "up_proj" in line]
    assert layers == [str(layer) for layer in range(8, 20)]
    assert "mlp.up_proj" not in shown, "the shortest name that is unmistakable is enough"
    assert call(["combine", "union", str(tmp_path / "a"), str(tmp_path / "b"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["overlap_by_component"]) == 20


def test_a_mask_that_is_given_twice_is_refused(capsys):
    assert call(["combine", "intersection", "a.safetensors", "a.safetensors"]) == 2
    assert "mask 'a.safetensors' was given twice; give two or more masks, each once." in capsys.readouterr().err
