"""The recipes for trainers of others: each holds every bit, through the interface of the trainer, and in the trainer.

The fast tests have stand-ins of what the recipes import, as ms-swift 4.6.0 and LLaMA-Factory 0.9.5 call it. The slow
test runs Axolotl 0.19.0, ms-swift and LLaMA-Factory themselves. These pin older versions of transformers than holdfast
does, so they need an environment of their own, which HOLDFAST_TRAINERS names by its Python:

    python -m venv trainers && trainers/bin/pip install torch==2.13.0 transformers==5.16.1 peft==0.20.0 trl==1.9.0 \
        jaxtyping lazy_loader bitsandbytes triton ... && trainers/bin/pip install --no-deps axolotl==0.19.0
    HOLDFAST_TRAINERS=trainers/bin/python pytest tests/test_trainers.py
"""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from shutil import copytree
from types import ModuleType

import pytest

from holdfast.artifacts import load_mask, save_mask
from holdfast.built_in import model_path
from holdfast.models.load import load_model
from holdfast.pipeline.checking import check_hold
from tests.intervene.given import random_mask, users_trainer
from tests.stored import save
from tests.tiny import make_llama

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "examples" / "trainers"
THEIRS = os.environ.get("HOLDFAST_TRAINERS")
MOST_LINES = 3


def lines_of(recipe):
    """The lines that a user adds: neither comments, docstrings nor empty ones."""
    text = (RECIPES / recipe).read_text()
    code = text.rpartition('"""')[2] if recipe.endswith(".py") else text
    return [line for line in code.splitlines() if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("recipe", ["axolotl.yml", "llama_factory.py", "ms_swift.py"])
def test_a_recipe_has_at_most_three_lines(recipe):
    assert len(lines_of(recipe)) <= MOST_LINES


def stand_in(monkeypatch, dotted, **names):
    """Makes a module importable that has these names alone."""
    parts = dotted.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    vars(sys.modules[dotted]).update(names)


def of_ms_swift(monkeypatch):
    """Trainer callbacks as `SwiftMixin` makes them: from a map of names, called with the arguments and the trainer."""
    made = {}
    stand_in(monkeypatch, "swift.callbacks", callbacks_map=made)
    runpy.run_path(str(RECIPES / "ms_swift.py"))
    return [made["hold"](object(), object())]


def of_llama_factory(monkeypatch):
    """Trainer callbacks as `run_exp` takes them."""
    given = []

    def run_exp(args=None, callbacks=None):
        given.extend(callbacks or [])

    stand_in(monkeypatch, "llamafactory.train.tuner", run_exp=run_exp)
    runpy.run_path(str(RECIPES / "llama_factory.py"))
    return given


@pytest.mark.parametrize("callbacks_of", [of_ms_swift, of_llama_factory])
def test_a_recipe_holds_every_bit_through_the_callbacks_that_it_gives(callbacks_of, tmp_path, monkeypatch):
    model = make_llama()
    mask, base = random_mask(model), save(tmp_path / "base", model)
    save_mask(tmp_path / "mask.safetensors", mask)
    monkeypatch.chdir(tmp_path)
    users_trainer(model, tmp_path / "trainer", callbacks_of(monkeypatch)).train()
    checked = check_hold(str(save(tmp_path / "out", model)), str(base), mask)
    assert (checked.held, checked.held_moved) == (len(mask), 0)
    assert checked.others_moved > 0.9 * (checked.entries - checked.held)


TRAINING = {"max_steps": 3, "learning_rate": 0.001, "weight_decay": 0.1, "save_steps": 2, "logging_steps": 1}


def run_axolotl(folder):
    config = {
        "base_model": "base", "output_dir": "out", "sequence_len": 128, "micro_batch_size": 2, "bf16": False,
        "gradient_accumulation_steps": 1, "optimizer": "adamw_torch", "attn_implementation": "eager",
        "lr_scheduler": "constant", "special_tokens": {"pad_token": "<|pad|>"}, **TRAINING,
        "datasets": [{"path": "train.jsonl", "ds_type": "json", "type": "chat_template"}],
    }  # fmt: skip
    recipe = (RECIPES / "axolotl.yml").read_text()
    (folder / "config.yml").write_text(
        recipe + "\n".join(f"{key}: {json.dumps(value)}" for key, value in config.items())
    )
    return ["-m", "axolotl.cli.train", "config.yml"]


def run_llama_factory(folder):
    columns = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    task = {"file_name": "train.jsonl", "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": columns}
    (folder / "dataset_info.json").write_text(json.dumps({"task": task}))
    config = {
        "model_name_or_path": "base", "stage": "sft", "do_train": True, "finetuning_type": "full", "dataset": "task",
        "dataset_dir": ".", "template": "default", "cutoff_len": 128, "output_dir": "out", "report_to": "none",
        "per_device_train_batch_size": 2, "lr_scheduler_type": "constant", "use_cpu": True, **TRAINING,
    }  # fmt: skip
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML, and its reader of JSON is broken
    return [str(RECIPES / "llama_factory.py"), "config.yaml"]


def run_ms_swift(folder):
    config = {
        "model": "base", "model_type": "llama", "template": "llama3", "dataset": "train.jsonl", "tuner_type": "full",
        "external_plugins": RECIPES / "ms_swift.py", "callbacks": "hold", "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 1, "max_length": 128, "output_dir": "out", "torch_dtype": "float32",
        "attn_impl": "eager", "lr_scheduler_type": "constant", "report_to": "none", "use_hf": "true",
        "add_version": "false", **TRAINING,
    }  # fmt: skip
    return ["-m", "swift.cli.sft", *(part for key, value in config.items() for part in (f"--{key}", str(value)))]


RUN = {"axolotl": run_axolotl, "llamafactory": run_llama_factory, "swift": run_ms_swift}
"""How a folder is prepared and what Python runs, by the package of each trainer."""


def has(package):
    found = f"import importlib.util as util; assert util.find_spec({package!r})"
    return subprocess.run([str(THEIRS), "-c", found], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not THEIRS, reason="HOLDFAST_TRAINERS names no Python that has the trainers")
@pytest.mark.parametrize("trainer", RUN)
def test_the_trainer_itself_moves_no_held_bit(trainer, tmp_path):
    if not has(trainer):
        pytest.skip(f"{THEIRS} has no {trainer}")
    copytree(model_path("aligned"), tmp_path / "base")
    save_mask(tmp_path / "mask.safetensors", random_mask(load_model("testbed:aligned").model, density=0.01))
    prompts = (ROOT / "src/holdfast/testbed/prompts/task_train.jsonl").read_text().splitlines()[:24]
    turns = [
        [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["answer"]}]
        for row in map(json.loads, prompts)
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in turns))
    quiet = {"HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1", "WANDB_MODE": "disabled", "DISABLE_VERSION_CHECK": "1"}
    environment = {**os.environ, **quiet, "PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [str(THEIRS), *RUN[trainer](tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    out = next(
        path.parent for path in sorted((tmp_path / "out").rglob("model.safetensors"), key=lambda path: len(path.parts))
    )
    checked = check_hold(str(out), str(tmp_path / "base"), load_mask(tmp_path / "mask.safetensors"))
    assert checked.held_moved == 0
    assert checked.others_moved > 0.9 * (checked.entries - checked.held)
