"""An output whose name ends like another format is refused, before anything is loaded."""

import subprocess
import sys

import pytest

import holdfast
from holdfast.cli import call
from holdfast.endings import require_ending

FIND = ["--positive", "testbed:harmful_seen", "--negative", "testbed:harmless"]
WRONG_TENSORS = "'b.csv' ends in .csv, and the file is written as safetensors; end its name in .safetensors."
WRONG_RECORD = "'b.csv' ends in .csv, and the file is written as JSON; end its name in .json."
COMMANDS = [
    (["score", "none", "--prompts", "none.jsonl", "--objective", "utility"], WRONG_TENSORS),
    (["select", "none"], WRONG_TENSORS),
    (["combine", "union", "none", "none"], WRONG_TENSORS),
    (["direction", "find", "none", *FIND], WRONG_TENSORS),
    (["direction", "transplant", "none", "none", "none", "--prompts", "none.jsonl"], WRONG_TENSORS),
    (["patch", "diff", "none", "none"], WRONG_TENSORS),
    (["patch", "merge", "none", "none"], WRONG_TENSORS),
    (["evaluate", "none", "--harmful", "none.jsonl"], WRONG_RECORD),
    (["judge-card", "none", "--labels", "none.jsonl"], WRONG_RECORD),
    (["reproduce", "none"], WRONG_RECORD),
]


@pytest.mark.parametrize(("command", "sentence"), COMMANDS)
def test_a_command_refuses_an_output_of_another_format_first(command, sentence, capsys):
    assert call([*command, "--out", "b.csv"]) == 2
    assert capsys.readouterr().err == f"holdfast: {sentence}\n"


def test_score_refuses_it_before_torch_is_imported():
    command = [*COMMANDS[0][0], "--out", "b.csv"]
    code = (
        f"import sys; from holdfast.cli import call; code = call({command}); sys.exit(code + ('torch' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize(
    "function",
    [
        lambda: holdfast.score_likelihood("none", "none.jsonl", "b.csv"),
        lambda: holdfast.score_safety("none", "none", "none.jsonl", "b.csv"),
        lambda: holdfast.find_direction("none", "none.jsonl", "none.jsonl", "b.csv"),
        lambda: holdfast.save_scores("b.csv", holdfast.Scores({}, "unit", "base", 1)),
    ],
)
def test_python_refuses_it_with_the_same_sentence(function):
    with pytest.raises(ValueError, match=r"ends in \.csv, and the file is written as safetensors"):
        function()


@pytest.mark.parametrize("name", ["scores", "scores.safetensors", "SCORES.SAFETENSORS", "folder.v2/scores", None])
def test_the_right_ending_or_none_passes(name):
    require_ending(name, ".safetensors")
