"""Commands on files that need no model import no library that trains or loads one."""

import json
import subprocess
import sys

import pytest

from holdfast.artifacts import save_evaluation
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


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["compare", "--help"],
        ["compare", "before.json", "after.json", "--fail-if", "asr > before"],
        ["init", "holdfast.toml"],
        ["init", "like.toml", "--like", "cpu"],
        ["select", "scores.safetensors", "--out", "mask.safetensors"],
        ["combine", "--help"],
        ["prompts", "list"],
    ],
    ids=" ".join,
)
def test_a_command_that_needs_no_model_imports_no_library_for_them(folder, arguments):
    heavy = " ".join(HEAVY if arguments[0] in ("compare", "select", "combine") else (*HEAVY, "torch"))
    command = [sys.executable, "-c", CODE, heavy, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []], done.stderr
