"""The example scripts run, hold or train what they say, and the README shows their lines."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import holdfast
from holdfast.artifacts import save_mask
from holdfast.models.load import load_model
from holdfast.shares import share_words
from tests.intervene.given import as_booleans, bits, random_mask
from tests.together import run_together
from tests.trained_texts import trained_texts

ROOT = Path(__file__).parents[1]
SPA = ("trainer_spa", "sft_spa", "dpo_spa", "grpo_spa", "grpo_gapo")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs an example with few steps and a random mask; returns the tuned model and the trainer's log."""

    def run_example(name, mask=None, steps=2, **options):
        given = {"steps": steps, "out": tmp_path / "out", **options}
        if mask is not None:
            save_mask(tmp_path / "mask.safetensors", mask)
            given["mask"] = tmp_path / "mask.safetensors"
        arguments = [part for option, value in given.items() for part in (f"--{option.replace('_', '-')}", str(value))]
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        trainer = runpy.run_path(str(ROOT / "examples" / f"{name}.py"))["trainer"]
        saved = json.loads((tmp_path / "out" / "config.json").read_text())
        assert saved["architectures"] == ["LlamaForCausalLM"]
        return trainer

    return run_example


@pytest.mark.parametrize("name", ["trainer_spa", "sft_spa", "lora_spa"])
def test_an_example_trains_on_the_answers_and_not_on_the_prompts(name, run):
    start = load_model("testbed:aligned")
    learned = trained_texts(run(name, random_mask(start.model)), start.tokenizer)
    assert learned
    assert learned <= {task.answer for task in holdfast.load_prompts("testbed:task_train")}


@pytest.mark.parametrize("name", SPA)
def test_an_spa_example_trains_all_but_the_mask(name, run):
    start = load_model("testbed:aligned").model
    mask, before = random_mask(start), bits(start)
    trainer = run(name, mask)
    assert trainer.state.global_step == 2
    after = bits(trainer.model)
    assert torch.equal(after["model.embed_tokens.weight"], before["model.embed_tokens.weight"]), "frozen"
    for key in mask.indices:
        chosen = as_booleans(mask, key, before[key].shape)
        assert torch.equal(after[key][chosen], before[key][chosen])
        assert not torch.equal(after[key][~chosen], before[key][~chosen])


def test_the_set_example_trains_the_mask_alone(run):
    start = load_model("testbed:unaligned").model
    mask, before = random_mask(start), bits(start)
    after = bits(run("sft_set", mask).model)
    for key, weight in after.items():
        chosen = as_booleans(mask, key, weight.shape)
        assert torch.equal(weight[~chosen], before[key][~chosen])
    assert all(not torch.equal(after[key], before[key]) for key in mask.indices)


def test_the_lora_example_merges_a_checkpoint_whose_held_weights_are_the_bases(run, tmp_path, capsys):
    start = load_model("testbed:aligned").model
    mask, before = random_mask(start), bits(start)
    run("lora_spa", mask)
    said = capsys.readouterr().out
    share = share_words(len(mask), mask.num_entries)
    assert f"held {len(mask):,} weights ({share}); every bit checked at step 2 and the end" in said
    assert f"{len(mask):,} held weights are the base's, " in said
    assert (tmp_path / "out" / "adapter" / "holdfast_mask.safetensors").is_file()
    after = bits(load_model(tmp_path / "out").model)
    for key in mask.indices:
        chosen = as_booleans(mask, key, before[key].shape)
        assert torch.equal(after[key][chosen], before[key][chosen])
        assert not torch.equal(after[key][~chosen], before[key][~chosen])


def run_sharded(folder: Path) -> None:
    sys.argv = ["sharded_spa", "--mask", str(folder / "mask.safetensors"), "--steps", "2", "--out", str(folder / "out")]
    runpy.run_path(str(ROOT / "examples" / "sharded_spa.py"))


@pytest.mark.slow
@pytest.mark.xdist_group("several_processes")  # which have imported all that it needs
def test_the_sharded_example_holds_the_mask_in_two_processes(tmp_path):
    start = load_model("testbed:aligned").model
    mask, before = random_mask(start), bits(start)
    save_mask(tmp_path / "mask.safetensors", mask)
    run_together(2, run_sharded, tmp_path)
    after = bits(load_model(str(tmp_path / "out")).model)
    for key in mask.indices:
        chosen = as_booleans(mask, key, before[key].shape)
        assert torch.equal(after[key][chosen], before[key][chosen])
        assert not torch.equal(after[key][~chosen], before[key][~chosen])


@pytest.mark.slow
def test_the_probe_example_stops_a_run_that_unlearns_safety_and_takes_it_back(run):
    trainer = run("probe", steps=60, every=10, prompts=16, learning_rate=2.5e-3)
    told = [record for record in trainer.state.log_history if "not_refused" in record]
    assert told[0]["not_refused"] == 0.0
    assert told[-1]["not_refused"] > 0.05 >= told[-2]["not_refused"]
    assert told[-1]["rolled_back_to"] == told[-2]["step"] < trainer.state.global_step < 60


def test_the_package_imports_nothing_until_a_name_is_asked_for():
    code = "import sys, holdfast; print('torch' in sys.modules, holdfast.__version__); holdfast.load_mask; "
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"], capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", holdfast.__version__, "True"]


def test_the_function_that_evaluates_is_there_before_its_package_was_imported():
    code = "import holdfast; print(callable(holdfast.evaluate))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["True"], done.stderr


def test_every_public_name_is_there_and_another_is_not():
    assert set(holdfast.__all__) <= set(dir(holdfast))
    names = {name: getattr(holdfast, name).__name__ for name in holdfast.__all__}
    assert names.pop("evaluate") == "holdfast.evaluate", "the package, which can be called"
    assert all(name == own for name, own in names.items())


def test_all_names_come_by_a_star():
    names = {}
    exec("from holdfast import *", names)
    assert set(holdfast.__all__) <= names.keys()
    assert callable(names["evaluate"])


@pytest.mark.slow
def test_all_names_come_by_a_star_into_a_new_process():
    code = "from holdfast import *; print(callable(evaluate), callable(compare), Suite.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True", "Suite"], done.stderr


def test_a_misspelt_name_of_the_package_is_told_the_right_one():
    with pytest.raises(AttributeError, match=r"no attribute 'ProtectCallbck'; did you mean 'ProtectCallback'\?"):
        _ = holdfast.ProtectCallbck
    with pytest.raises(AttributeError, match=r"no attribute 'xyzzy'; help\(holdfast\) lists all names"):
        _ = holdfast.xyzzy
    assert not hasattr(holdfast, "__wrapped__")
    with pytest.raises(AttributeError, match="load_weights"):
        holdfast.load_weights  # noqa: B018  # pyright: ignore
