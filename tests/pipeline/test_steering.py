"""Steering on files: refusals move with the direction, not with random ones, and a folder is kept."""

import json

import pytest

from holdfast.cli import call
from holdfast.intervene.edit.options import SteerOptions
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.directions import find_direction
from holdfast.pipeline.options import SuiteFiles
from holdfast.pipeline.steering import SteerSpec, steer

MODEL = "testbed:aligned"
SHORT = GenerateOptions(max_new_tokens=8)
FILES = SuiteFiles(harmful=("testbed:harmful_heldout#first=16",), questions="testbed:questions#first=4")


@pytest.fixture(scope="module")
def direction(tmp_path_factory):
    path = tmp_path_factory.mktemp("steering") / "direction.safetensors"
    find_direction(MODEL, "testbed:harmful_calibration#first=64", "testbed:harmless#first=64", path)
    return path


def spec(direction, out, **changed):
    given = {
        "coefficients": (-0.75,),
        "files": FILES,
        "judge": "refusal",
        "options": SteerOptions(random=2),
        "generation": GenerateOptions(max_new_tokens=8),
    }
    return SteerSpec(model=MODEL, direction=direction, out=out, **(given | changed))


def test_refusals_follow_the_direction_and_not_random_ones(direction, tmp_path):
    found = steer(spec(direction, tmp_path / "out"))
    assert found.untouched.refusal.value == 1.0
    assert found.by_coefficient[-0.75].refusal.value < 0.8
    assert min(one.refusal.value for one in found.random[-0.75]) > 0.9
    named = found.by_coefficient[-0.75].made_by
    assert named["steering"] == {"coefficient": -0.75, "along": str(direction)}
    prints = {
        one.made_by["model"]["fingerprint"]
        for one in (found.untouched, found.by_coefficient[-0.75], *found.random[-0.75])
    }
    assert len(prints) == 4, "each steering is a model of its own"


def test_a_folder_goes_on_and_takes_no_other_measurement(direction, tmp_path, capsys):
    steer(spec(direction, tmp_path / "out"))
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*_*.json")}
    steer(spec(direction, tmp_path / "out"))
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*_*.json")} == before
    with pytest.raises(ValueError, match="out"):
        steer(spec(direction, tmp_path / "out", options=SteerOptions(random=2, rule="piecewise")))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"coefficients": ()}, "give one or more different numbers"),
        ({"coefficients": (0.0, 1.0)}, "a coefficient of 0 changes nothing"),
        ({"coefficients": (0.5, float("nan"))}, "the coefficient must be a finite number, got nan"),
        ({"coefficients": (1.0, 1.0)}, "give one or more different numbers"),
        (
            {"files": SuiteFiles(harmful=("testbed:harmful_calibration#first=3",))},
            "3 of 3 evaluation prompts also made",
        ),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(changed, sentence, direction, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        steer(spec(direction, tmp_path / "out", **changed))
    assert not (tmp_path / "out").exists()


def test_the_command_prints_rates_and_the_range_of_random_directions(direction, tmp_path, capsys):
    arguments = ["direction", "steer", MODEL, str(direction), "--coefficient", "-0.75", "--random", "2", "--harmful"]
    arguments += ["testbed:harmful_heldout#first=4", "--generate.max-new-tokens", "8", "--out", str(tmp_path / "out")]
    assert call(arguments) == 0
    told = capsys.readouterr().out
    assert "2 random ones" in told
    assert call([*arguments, "--json"]) == 0
    (point,) = json.loads(capsys.readouterr().out)["points"]
    assert point["coefficient"] == -0.75
    assert len(point["random"]) == 2
    assert point["reliability"]["refusal"]["n"] == 4
