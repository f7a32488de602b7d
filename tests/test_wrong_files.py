"""Every loader that is given another file says what it is and what to give; no advice destroys what is not ours."""

import json
import os
import re
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

from holdfast.artifacts import (
    load_evaluation,
    load_json,
    load_mask,
    load_patch,
    load_scores,
    save_evaluation,
    save_json,
    save_mask,
    save_patch,
    save_scores,
)
from holdfast.intervene.patch.patch_files import open_patch
from holdfast.outcomes import Evaluation, Rate
from holdfast.remedy import remedy
from holdfast.values import Mask, Patch, Scores
from holdfast.wrong_files import require_kind

LOADERS = {
    "scores": (load_scores,),
    "mask": (load_mask,),
    "patch": (load_patch, open_patch),
    "evaluation": (load_evaluation,),
}
RATE = Rate(0.5, 0.1, 0.9, 2)


def write_all(folder):
    """A file of every kind, by what a sentence calls it."""
    index, shapes = {"a": torch.tensor([1])}, {"a": (2, 2)}
    save_scores(folder / "scores.safetensors", Scores({"a": torch.ones(2, 2)}, "unit", "base", 4))
    save_mask(folder / "mask.safetensors", Mask(index, shapes, "base", 4))
    save_patch(folder / "patch.safetensors", Patch(index, {"a": torch.ones(1)}, shapes, "base"))
    evaluation = Evaluation(RATE, RATE, RATE, None)
    save_evaluation(folder / "evaluation.json", evaluation)
    save_file({"base.layers.0.q_proj.lora_A.weight": torch.ones(1)}, folder / "adapter.safetensors")
    save_file({"model.norm.weight": torch.ones(1)}, folder / "model.safetensors", {"format": "pt"})
    save_json(folder / "report.json", {"schema": 1, "provenance": {}})
    save_json(folder / "manifest.json", {"run": "1", "config": {}, "timings": {}})
    printed = asdict(evaluation)
    save_json(folder / "printed.json", {name: printed[name] for name in ("asr", "over_refusal", "utility")})
    save_json(folder / "adapter_config.json", {"peft_type": "LORA"})
    save_json(folder / "package.json", {"name": "app", "version": "1"})
    (folder / "list.json").write_text("[1]")
    (folder / "prompts.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    (folder / "notes.txt").write_text("years of work")
    (folder / "empty").touch()
    (folder / "binary").write_bytes(b"\x01" + os.urandom(64) + b"\0\xff")
    (folder / "model.pt").write_bytes(b"PK\x03\x04" + b"\0" * 60)
    (folder / "folder").mkdir()


WORDS = {
    "scores.safetensors": "a file of scores",
    "mask.safetensors": "a mask",
    "patch.safetensors": "a patch",
    "evaluation.json": "an evaluation",
    "adapter.safetensors": "a LoRA adapter",
    "model.safetensors": "a safetensors file that holdfast did not write, such as the weights of a model",
    "report.json": "the report of a run",
    "manifest.json": "the manifest of a run",
    "printed.json": "the output of `holdfast evaluate --json`, without answers",
    "adapter_config.json": "the config of an adapter",
    "package.json": "JSON that holdfast did not write (its first keys: 'name', 'version')",
    "list.json": "JSON that holds a list",
    "prompts.jsonl": "JSON Lines, as prompts and responses are",
    "notes.txt": "text",
    "empty": "an empty file",
    "binary": "a binary file",
    "model.pt": "a zip archive, as PyTorch pickles are",
    "folder": "a folder",
}
OWN = {
    "scores": "scores.safetensors",
    "mask": "mask.safetensors",
    "patch": "patch.safetensors",
    "evaluation": "evaluation.json",
}
NAMED = {"scores": "scores", "mask": "a mask", "patch": "a patch", "evaluation": "an evaluation"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("files")
    write_all(made)
    return made


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("name", WORDS)
def test_a_loader_says_what_another_file_is_and_what_it_wants(kind, name, folder):
    for load in LOADERS[kind]:
        if name == OWN[kind]:
            load(folder / name)
            continue
        with pytest.raises(ValueError, match=re.escape(f"/{name}' is {WORDS[name]}, not {NAMED[kind]}; ")) as refused:
            load(folder / name)
        said = str(refused.value)
        assert "remove" not in said
        assert said.endswith(".")
        assert "\n" not in said


def test_what_to_give_in_place_of_a_likely_mistake_is_told(folder):
    with pytest.raises(ValueError, match=r"cut a mask from it: `holdfast select .*/scores.safetensors --out"):
        load_mask(folder / "scores.safetensors")
    with pytest.raises(ValueError, match=r"such as adapt/start\.json"):
        load_evaluation(folder / "report.json")
    with pytest.raises(ValueError, match="give the file that `holdfast evaluate --out FILE` wrote"):
        load_evaluation(folder / "printed.json")
    with pytest.raises(ValueError, match=r"is a folder, not a mask; give a file: .*/mask.safetensors\.$"):
        load_mask(folder)


@pytest.mark.parametrize("kind", LOADERS)
def test_a_file_that_does_not_exist_is_made_by_its_command(kind, tmp_path):
    command = {"scores": "score", "mask": "select", "patch": "enhance", "evaluation": "evaluate"}[kind]
    for load in LOADERS[kind]:
        with pytest.raises(ValueError, match=f"file '.*/none' does not exist; make it with `holdfast {command}`"):
            load(tmp_path / "none")


def test_only_what_holdfast_is_seen_to_have_written_is_removed(folder, tmp_path):
    cut = tmp_path / "cut.safetensors"
    whole = (folder / "mask.safetensors").read_bytes()
    cut.write_bytes(whole[:-1])  # its header is there, and says whose it is
    with pytest.raises(
        ValueError, match=r"is broken: .*; remove it and run `holdfast select` or `holdfast combine` again\.$"
    ):
        load_mask(cut)
    cut.write_bytes(whole[:40])
    with pytest.raises(ValueError, match=r"is broken: .*; give another file, or, if it was one of holdfast's, move it"):
        load_mask(cut)
    theirs = tmp_path / "thesis.json"
    theirs.write_text('{"chapters": [')
    with pytest.raises(ValueError, match="could not be read as JSON") as refused:
        load_evaluation(theirs)
    assert "remove" not in str(refused.value)


@pytest.mark.parametrize(
    ("mark", "content", "name", "is_removed"),
    [
        ("manifest.json", {"run": "1", "config": {}, "timings": {}}, "adapt/start.json", True),
        ("manifest.json", {"run": "1", "config": {}, "timings": {}}, "adapt/notes.json", False),
        ("manifest.json", {"name": "app"}, "adapt/start.json", False),
        ("settings.json", {"editor.tabSize": 4}, "adapt/start.json", False),
        ("settings.json", {"model": "f1", "suite": {}, "generation": {}}, "noise_2_draw_0.json", True),
    ],
)
def test_in_a_folder_of_a_command_only_the_files_that_it_writes_are_removed(mark, content, name, is_removed, tmp_path):
    (tmp_path / mark).write_text(json.dumps(content))
    (tmp_path / "adapt").mkdir()
    (tmp_path / name).write_text("{")
    with pytest.raises(ValueError, match="could not be read as JSON") as refused:
        load_json(tmp_path / name)
    assert ("remove it" in str(refused.value)) == is_removed


def test_a_folder_is_never_to_be_removed_for_its_mark(tmp_path):
    for mark in ("manifest.json", "settings.json"):
        assert "remove" not in remedy(tmp_path / mark)


def test_json_with_a_byte_order_mark_is_read(folder, tmp_path):
    (tmp_path / "evaluation.json").write_bytes(b"\xef\xbb\xbf" + (folder / "evaluation.json").read_bytes())
    assert load_evaluation(tmp_path / "evaluation.json") == load_evaluation(folder / "evaluation.json")


def test_a_file_whose_name_says_what_it_is_is_called_that_and_not_taken_for_a_broken_result(tmp_path):
    (tmp_path / "set.toml").write_text('model = "some"\n')
    with pytest.raises(ValueError, match=r"set\.toml' is a config, not an evaluation; give a file that was made with"):
        require_kind(tmp_path / "set.toml", "evaluation")
