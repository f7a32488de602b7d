"""Help, mistakes, and commands on files import no library that trains a model or loads one."""

import inspect
import json
import subprocess
import sys

import pytest
import torch

from holdfast.artifacts import save_direction, save_evaluation, save_mask
from holdfast.cli import COMMANDS
from holdfast.evaluate.statistics import wilson_interval
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate
from holdfast.values import Direction, Mask
from tests.commands.made import write_scores
from tests.docstrings import read_once

pytestmark = pytest.mark.xdist_group("imports")
HEAVY = ("transformers", "trl", "peft", "datasets", "accelerate", "lm_eval", "plotly", "pandas")
TORCH_ALONE = ("compare", "select", "combine")
"""Commands on files of tensors, or of values that may hold some."""
HELP = ["--help", *(f"{command} --help" for command in COMMANDS)]
ON_FILES = [
    "compare before.json after.json --fail-if asr>before",
    "init holdfast.toml",
    "init like.toml --like cpu",
    "select scores.safetensors --out mask.safetensors",
    "show shown.safetensors",
    "show shown.safetensors --json",
    "prompts list",
]
MISTAKES = [
    "run none.toml",
    "plan wrong.toml",
    "adapt testbed:aligned --task testbed:task_train --out out --learning-rate nan",
    "score testbed:aligned --prompts testbed:harmful_seen --out out.safetensors",
    "score testbed:aligned --prompts none.jsonl --objective refusal_likelihood --out out.safetensors",
    "score testbed:aligned --unit neuron --prompts testbed:harmful_seen --against none.txt --out out.safetensors",
    "adapt testbed:aligned --task none.jsonl --out out",
    "adapt testbed:aligned --task broken.jsonl --out out",
    "adapt testbed:aligned --task testbed:task_train --method mixed --safety testbed:harmful_seen --out out",
    "adapt testbed:aligned --task testbed:task_train --method kl --safety none.txt --out out",
    "adapt testbed:aligned --task testbed:task_train --method kl --safety testbed:harmful_seen --held-out none.txt "
    "--out out",
    "enhance testbed:aligned --refusals none.jsonl --harmless testbed:harmless_exchanges --out out",
    "enhance testbed:aligned --refusals testbed:refusals --harmless broken.jsonl --out out",
    "restore testbed:aligned testbed:unaligned --out out",
    "restore testbed:aligned testbed:unaligned --refusals none.jsonl --out out",
    "restore testbed:aligned testbed:unaligned --refusals testbed:refusals --task broken.jsonl --out out",
    "evaluate testbed:aligned --harmful none.txt --out out.json",
    "verify testbed:aligned --mask shown.safetensors --harmful none.txt --out out",
    "direction find testbed:aligned --positive none.txt --negative testbed:harmless --out out.safetensors",
    "direction test testbed:aligned shown.safetensors --positive testbed:harmful_seen --negative testbed:harmless",
    "direction transplant testbed:aligned testbed:aligned-moe direction.safetensors --prompts none.txt "
    "--out out.safetensors",
    "direction steer testbed:aligned direction.safetensors --coefficient 1 --harmful none.txt --out out",
    "direction edit testbed:aligned direction.safetensors --coefficient 1 --prompts none.txt --out out",
]
UNDECIDED = 3
"""Exit code of a gate with one prompt."""
CODE = (
    f"{inspect.getsource(read_once)}\nread_once()"
    + """
import json, sys
from holdfast.cli import call
heavy, lines, found = *map(json.loads, sys.argv[1:]), {}
for line in lines:
    before = set(sys.modules)
    code = call(line.split())
    found[line] = [code, [name for name in heavy if name in sys.modules and name not in before]]
print(json.dumps(found))
"""
)


def needs_torch(line: str) -> bool:
    return line.startswith(TORCH_ALONE)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Of every command its exit code, and what heavy libraries it was the first to import; in one process."""
    folder = tmp_path_factory.mktemp("imports")
    rate = Rate(0.0, *wilson_interval(0.0, 1), 1)
    answers = (Answer("how ?", "no", Outcome("safe"), "asr"),)
    for name, perplexity in (("before.json", None), ("after.json", 2.0)):
        save_evaluation(folder / name, Evaluation(rate, Rate(None, None, None, 0), rate, perplexity, answers=answers))
    write_scores(folder / "scores.safetensors")
    save_mask(folder / "shown.safetensors", Mask({"layers.0.a": torch.tensor([1])}, {"layers.0.a": (2, 2)}, "base", 4))
    save_direction(folder / "direction.safetensors", Direction(torch.ones(2), 0, 1.0, "base", {}))
    (folder / "broken.jsonl").write_text('{"prompt": "add", "answer": "2"}\n{"prompt": "add", "answer": ""}\n')
    (folder / "wrong.toml").write_text("modell = 'testbed:aligned'\n")
    lines = sorted([*HELP, *ON_FILES, *MISTAKES], key=needs_torch)
    command = [sys.executable, "-c", CODE, json.dumps([*HEAVY, "torch"]), json.dumps(lines)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("line", [*HELP, *ON_FILES])
def test_help_and_a_command_that_needs_no_model_import_no_library_for_them(found, line):
    code, imported = found[line]
    assert code == (UNDECIDED if line.startswith("compare before") else 0)
    assert set(imported) <= ({"torch"} if needs_torch(line) else set())


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_before_any_library_for_models_is_imported(found, line):
    assert found[line] == [2, []]
