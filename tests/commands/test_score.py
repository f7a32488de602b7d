"""A stop while `holdfast score` compares the halves says that the scores are complete, and what to do."""

from pathlib import Path

import pytest

from holdfast.cli import call
from holdfast.pipeline import scoring_files

SCORE = ["score", "testbed:aligned", "--objective", "utility", "--prompts", "testbed:questions_calibration#first=2"]


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """Stops the comparison of the halves."""

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scoring_files, "stability", stop)


def test_a_stop_while_the_halves_are_compared_says_that_the_scores_are_complete(stopped, capsys):
    assert call([*SCORE, "--out", "a.safetensors"]) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        "holdfast: stopped; a.safetensors and the scores of both halves beside it are complete, and only their "
        "comparison is missing. `holdfast show a.safetensors` prints the layers, and Python's "
        "holdfast.stability('a.safetensors') compares the halves."
    )
    assert sorted(path.name for path in Path().iterdir()) == [
        "a.safetensors",
        "a_first_half.safetensors",
        "a_second_half.safetensors",
    ]


def test_after_that_stop_the_same_command_with_exist_ok_has_nothing_to_do(stopped, capsys):
    command = [*SCORE, "--out", "a.safetensors", "--exist-ok"]
    assert call(command) == 130
    assert call(command) == 0
    assert "the same command made it, so there is nothing to do" in capsys.readouterr().out
