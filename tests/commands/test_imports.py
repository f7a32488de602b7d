"""Help, mistakes, and commands on files import no library that trains a model or loads one."""

import json
import subprocess
import sys

import pytest

from holdfast.artifacts import save_evaluation
from holdfast.cli import COMMANDS
from holdfast.values import Answer, Evaluation, Outcome, Rate
from tests.commands.made import write_scores

HEAVY = ("transformers", "trl", "peft", "datasets", "accelerate", "lm_eval", "plotly", "pandas")
CODE = """
import json, sys
from holdfast.cli import call
code = call(sys.argv[2:])
print(json.dumps([code, [name for name in sys.argv[1].split() if name in sys.modules]]))
"""


@pytest.fixture
def folder(tmp_path):
    """Two evaluations, scores and a mask."""
    rate = Rate(0.0, 0.0, 0.7, 1)
    answers = (Answer("how ?", "no", Outcome("safe"), "asr"),)
    for name in ("before.json", "after.json"):
        save_evaluation(tmp_path / name, Evaluation(rate, Rate(None, None, None, 0), rate, None, answers=answers))
    write_scores(tmp_path / "scores.safetensors")
    return tmp_path


TORCH_ALONE = ("compare", "select", "combine")
"""Commands on files of tensors, or of values that may hold some."""


def imported(folder, *arguments):
    """Exit code, and what heavy libraries a command imported."""
    heavy = " ".join(HEAVY if arguments[0] in TORCH_ALONE else (*HEAVY, "torch"))
    command = [sys.executable, "-c", CODE, heavy, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["compare", "before.json", "after.json", "--fail-if", "asr > before"],
        ["init", "holdfast.toml"],
        ["init", "like.toml", "--like", "cpu"],
        ["select", "scores.safetensors", "--out", "mask.safetensors"],
        ["prompts", "list"],
    ],
    ids=" ".join,
)
def test_a_command_that_needs_no_model_imports_no_library_for_them(folder, arguments):
    assert imported(folder, *arguments) == [0, []]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_no_library_for_models(tmp_path, command):
    assert imported(tmp_path, command, "--help") == [0, []]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "none.toml"],
        ["plan", "wrong.toml"],
        ["adapt", "testbed:aligned", "--task", "testbed:task_train", "--out", "out", "--learning-rate", "nan"],
        ["score", "testbed:aligned", "--prompts", "testbed:harmful_seen", "--out", "out.safetensors"],
    ],
    ids=" ".join,
)
def test_a_mistake_is_told_before_any_library_for_models_is_imported(tmp_path, arguments):
    (tmp_path / "wrong.toml").write_text("modell = 'testbed:aligned'\n")
    assert imported(tmp_path, *arguments) == [2, []]
