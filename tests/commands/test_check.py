"""`holdfast check`: what it prints, its exit codes, and its sentences."""

import json

import pytest
import torch

from holdfast.artifacts import save_mask
from holdfast.cli import call
from holdfast.models.load import fingerprint
from holdfast.values import Mask
from tests.stored import save
from tests.tiny import make_llama

NAME = "model.layers.0.self_attn.v_proj.weight"


@pytest.fixture
def files(tmp_path):
    """A base, the same again with one entry moved, and a mask that holds that entry and one more."""
    model = make_llama()
    save(tmp_path / "base", model)
    mask = Mask({NAME: torch.tensor([4, 9])}, {NAME: tuple(model.get_parameter(NAME).shape)}, fingerprint(model), 1000)
    save_mask(tmp_path / "mask.safetensors", mask)
    with torch.no_grad():
        model.get_parameter(NAME).view(-1)[9] += 1
    save(tmp_path / "moved", model)
    return tmp_path


def run(files, model, *more):
    """Checks one of the models. The base itself is accepted, as its counts are the simplest."""
    more = (*more, "--allow-unchanged") if model == "base" else more
    return run_as_is(files, model, *more)


def run_as_is(files, model, *more):
    mask = files / "mask.safetensors"
    return call(["check", str(files / model), "--base", str(files / "base"), "--mask", str(mask), *more])


def test_a_hold_that_held_exits_with_0_and_one_that_did_not_with_1_and_its_place(files, capsys):
    assert run(files, "base") == 0
    assert "held weights that moved" in capsys.readouterr().out
    assert run(files, "moved") == 1
    told = capsys.readouterr()
    assert f"1 of 2 held weights moved, the first is entry 9 of {NAME}" in told.err
    assert "The held weights that moved" in told.out


def test_the_verdict_in_words_is_the_first_line(files, capsys):
    assert run(files, "base") == 0
    verdict, tables = capsys.readouterr().out.split("\n", 1)
    assert verdict == "2 held weights kept every bit; 0 others moved"
    assert "Where" not in tables, "nothing moved"
    assert run(files, "moved") == 1
    verdict = capsys.readouterr().out.splitlines()[0]
    assert verdict == "1 of 2 held weights moved, all in layer 0 self_attn.v_proj; 0 others moved"


def test_weights_that_may_move_have_a_table_by_layer_only_where_it_is_asked_for(files, capsys):
    model = make_llama()
    with torch.no_grad():
        model.get_parameter(NAME).view(-1)[3] += 1
    save(files / "tuned", model)
    assert run(files, "tuned") == 0
    assert "Where" not in capsys.readouterr().out
    assert run(files, "tuned", "--by-layer") == 0
    shown = capsys.readouterr().out
    assert "Where weights moved" in shown
    assert "Where held weights moved" not in shown


def test_a_model_that_set_made_is_told_of_the_opposite_check(files, capsys):
    assert run(files, "moved") == 1
    assert capsys.readouterr().err.endswith("No other weight moved, as after SET: check that by --only-mask-moved.\n")
    model = make_llama()
    with torch.no_grad():
        model.get_parameter(NAME).view(-1)[[3, 9]] += 1
    save(files / "both", model)
    assert run(files, "both") == 1
    assert "--only-mask-moved" not in capsys.readouterr().err


def test_tables_have_the_layers_where_weights_moved_and_no_other(files, capsys):
    assert run(files, "moved", "--by-layer") == 1
    out = capsys.readouterr().out
    assert out.count("Layers where none moved are left out.") == 1
    layers = [line.split()[0] for line in out.splitlines()[1:] if line.lstrip()[:1].isdigit()]
    assert layers == ["0"], "of two layers"


def test_only_the_mask_may_move_after_set_and_another_weight_that_did_exits_with_1_and_its_place(files, capsys):
    assert run(files, "moved", "--only-mask-moved") == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0].endswith("weights outside the mask kept every bit; 1 of the mask's 2 moved")
    assert "weights in the mask that moved" in told
    model = make_llama()
    with torch.no_grad():
        model.get_parameter(NAME).view(-1)[[3, 9]] += 1
    save(files / "both", model)
    assert run(files, "both", "--only-mask-moved") == 1
    told = capsys.readouterr()
    assert f"weights outside the mask moved, the first is entry 3 of {NAME}" in told.err
    assert "The weights outside the mask that moved" in told.out
    assert "Where weights outside the mask moved" not in told.out, "a list of one says where"
    assert run(files, "both", "--only-mask-moved", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["only_mask_moved"], found["others_moved"], found["moved"][0]["index"]) == (True, 1, 3)


def test_more_moved_weights_than_are_listed_are_shown_by_layer_too(files, capsys):
    model = make_llama()
    with torch.no_grad():
        model.get_parameter(NAME).view(-1)[10:31] += 1
    save(files / "many", model)
    assert run(files, "many", "--only-mask-moved") == 1
    told = capsys.readouterr().out
    assert "The first weights outside the mask that moved" in told
    assert "Where weights outside the mask moved" in told


@pytest.mark.parametrize("more", [(), ("--only-mask-moved",)])
def test_base_and_mask_in_each_others_place_are_said_to_be_swapped(files, capsys, more):
    swapped = ["--base", str(files / "mask.safetensors"), "--mask", str(files / "base")]
    assert call(["check", str(files / "moved"), *swapped, *more]) == 2
    told = capsys.readouterr().err
    assert told.startswith(
        f"holdfast: base and mask are swapped: the mask '{files}/mask.safetensors' is given as the base"
    )
    assert told.endswith("exchange the two.\n")


def test_quiet_prints_the_verdict_alone(files, capsys):
    assert run(files, "base", "--quiet") == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("2 held weights kept every bit; 0 others moved\n", "")


def test_json_has_the_counts_and_the_moved_entries(files, capsys):
    assert run(files, "moved", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["held"], told["held_moved"], told["others_moved"]) == (2, 1, 0)
    assert told["moved"][0]["index"] == 9
    assert sum(one["held_moved"] for one in told["components"]) == 1


@pytest.mark.parametrize("more", [(), ("--only-mask-moved",)])
def test_the_base_in_place_of_a_tuned_checkpoint_is_one_sentence_and_exits_with_2(files, capsys, more):
    assert run_as_is(files, "base", *more) == 2
    told = capsys.readouterr()
    assert "no weight moved at all" in told.err
    assert "accept this one by --allow-unchanged." in told.err
    assert told.out == ""


def test_files_that_are_not_there_are_one_sentence_and_exit_with_2(files, capsys):
    assert run(files, "nowhere") == 2
    assert "nowhere" in capsys.readouterr().err
