"""`holdfast verify --project-out`: refusals go with their direction and stay without random ones."""

import json

import pytest

from holdfast.artifacts import load_evaluation
from holdfast.cli import call
from holdfast.pipeline.directions import find_direction

MODEL = "testbed:aligned"
ASKED = ["--harmful", "testbed:harmful_heldout#first=16", "--questions", "testbed:questions#first=4"]


@pytest.fixture(scope="module")
def direction(tmp_path_factory):
    path = tmp_path_factory.mktemp("projecting") / "direction.safetensors"
    find_direction(MODEL, "testbed:harmful_calibration#first=64", "testbed:harmless#first=64", path)
    return path


def verify(direction, out, *others):
    short = ["--generate.max-new-tokens", "8", "--draws", "2", "--out", str(out)]
    return call(["verify", MODEL, "--project-out", str(direction), *ASKED, *short, *others])


def test_refusals_go_with_their_direction_and_not_with_random_ones(direction, tmp_path, capsys):
    out = tmp_path / "out"
    assert verify(direction, out, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["untouched"]["refusal"]["value"] == 1.0
    assert told["projected_out"]["refusal"]["value"] < 0.8
    assert [one["refusal"]["value"] for one in told["random"]] == [1.0, 1.0]
    assert told["projected_out"]["utility"]["value"] == 1.0
    files = sorted(path.name for path in out.iterdir())
    assert files == ["projected_out.json", "random_0.json", "random_1.json", "settings.json", "untouched.json"], (
        "no model is written"
    )
    prints = {load_evaluation(out / name).made_by["model"]["fingerprint"] for name in files if name != "settings.json"}
    assert len(prints) == 4, "each is a model of its own"
    before = (out / "random_0.json").stat().st_mtime_ns
    assert verify(direction, out) == 0
    assert "2 random ones" in capsys.readouterr().out
    assert (out / "random_0.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--mask", "mask.safetensors"], "--mask has no effect with --project-out"),
        (["--refusals", "testbed:refusals"], "--refusals has no effect with --project-out"),
        (["--harmful", "testbed:harmful_calibration#first=3"], "evaluation prompts also made the direction"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(arguments, sentence, direction, tmp_path, capsys):
    assert verify(direction, tmp_path / "out", *arguments) == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_verification_of_nothing_is_refused(tmp_path, capsys):
    assert call(["verify", MODEL, *ASKED, "--out", str(tmp_path / "out")]) == 2
    assert "there is nothing to verify; give --mask" in capsys.readouterr().err
