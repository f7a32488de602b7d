"""`evaluate` and `verify` under steering: what moves, what their files record, and what is refused."""

import json

import pytest

from holdfast.artifacts import load_direction, load_evaluation, save_mask
from holdfast.cli import call
from holdfast.evaluate.comparing import compare
from holdfast.intervene.edit.options import SteeringOptions
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.directions import find_direction
from holdfast.pipeline.evaluating import evaluate_recipe
from holdfast.pipeline.options import SuiteFiles
from holdfast.pipeline.recipe import Recipe
from holdfast.pipeline.reproducing import reproduction_of
from tests.intervene.given import random_mask

MODEL = "testbed:aligned"
ASKED = ["--harmful", "testbed:harmful_heldout#first=8", "--questions", "testbed:questions#first=4"]
SHORT = ["--generate.max-new-tokens", "8"]


@pytest.fixture(scope="module")
def direction(tmp_path_factory):
    path = tmp_path_factory.mktemp("steered") / "direction.safetensors"
    find_direction(MODEL, "testbed:harmful_calibration#first=64", "testbed:harmless#first=64", path)
    return path


def evaluate(out, *options):
    return call(["evaluate", MODEL, *ASKED, *SHORT, "--out", str(out), *map(str, options)])


def steer(direction, coefficient=-0.75, **others):
    options = {"direction": direction, "coefficient": coefficient} | others
    return [f"--steer.{name}={value}" for name, value in options.items()]


@pytest.fixture(scope="module")
def both(direction, tmp_path_factory):
    """The evaluation as it is, and the steered one."""
    folder = tmp_path_factory.mktemp("both")
    assert evaluate(folder / "plain.json") == 0
    assert evaluate(folder / "steered.json", *steer(direction)) == 0
    return folder / "plain.json", folder / "steered.json"


def test_refusals_and_perplexity_are_those_of_the_steered_model(both):
    plain, steered = map(load_evaluation, both)
    assert plain.refusal.value == 1.0
    assert steered.refusal.value < 0.8
    assert steered.perplexity != plain.perplexity
    assert "coherence/all" in steered.groups


def test_the_file_records_the_steering_and_counts_as_another_model(both, direction):
    plain, steered = (load_evaluation(path).made_by for path in both)
    entry = steered["steering"]
    assert (entry["coefficient"], entry["rule"], entry["where"], entry["renorm"]) == (-0.75, "add", "all", False)
    assert (entry["layer"], entry["file"]) == (load_direction(direction).layer, str(direction))
    assert steered["model"]["fingerprint"] != plain["model"]["fingerprint"]
    assert "moved by -0.75 along" in steered["model"]["name"]
    assert "steering" not in plain
    assert "steering" not in plain["recipe"], "files without steering are as they were"


def test_a_comparison_warns_of_it_and_a_pinned_gate_refuses_it(both):
    (warning, *_) = [one for one in compare(*both).warnings if "steered" in one]
    assert "the evaluation after is of a model steered by -0.75 along" in warning
    assert not [one for one in compare(*both).warnings if "before is of a model steered" in one]
    base = load_model(MODEL).base
    with pytest.raises(ValueError, match="fingerprint"):
        compare(*both, after_fingerprint=base)
    compare(*both, before_fingerprint=base)


def test_an_evaluation_under_steering_is_made_again_from_its_recipe(both, tmp_path):
    recorded = reproduction_of(load_evaluation(both[1]), "it")
    again = evaluate_recipe(Recipe.model_validate(recorded["recipe"]), tmp_path / "again.json")
    assert reproduction_of(again, "it") == recorded


def test_where_rule_and_renorm_reach_the_model(direction, tmp_path):
    """Of a given response only the last token moves with where=response, so its perplexity tells."""
    found = []
    for name, options in enumerate(({}, {"where": "response"}, {"rule": "piecewise"}, {"renorm": "true"})):
        assert evaluate(tmp_path / f"{name}.json", *steer(direction, **options)) == 0
        found.append(load_evaluation(tmp_path / f"{name}.json").perplexity)
    assert len(set(found)) == 4


def test_a_coefficient_that_breaks_the_model_is_told(direction, tmp_path, caplog):
    assert evaluate(tmp_path / "broken.json", *steer(direction, 30)) == 0
    assert "responses are incoherent under steering by 30.0 along" in caplog.text


def test_noise_is_measured_under_steering_too(direction, tmp_path):
    save_mask(tmp_path / "mask.safetensors", random_mask(load_model(MODEL).model, 0.001))
    out = tmp_path / "noise"
    arguments = ["verify", MODEL, "--mask", str(tmp_path / "mask.safetensors"), *ASKED, *SHORT, "--out", str(out)]
    arguments += ["--ratios", "0.1", "--draws", "1"]
    assert call([*arguments, *map(str, steer(direction))]) == 0
    untouched = load_evaluation(out / "untouched.json")
    assert untouched.refusal.value < 0.8
    noisy = load_evaluation(out / "noise_0.1_draw_0.json")
    assert noisy.made_by["steering"]["coefficient"] == -0.75
    assert noisy.made_by["model"]["fingerprint"] != untouched.made_by["model"]["fingerprint"]
    assert json.loads((out / "settings.json").read_text())["steering"]["coefficient"] == -0.75
    assert call(arguments) == 2, "the folder takes no other measurement"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"coefficient": 0.5}, "coefficient has no effect without a direction"),
        ({"direction": "d.safetensors"}, "needs a coefficient; 0.2 moves"),
        ({"direction": "d.safetensors", "coefficient": 0.0}, "a coefficient of 0 changes nothing"),
    ],
)
def test_half_of_the_options_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        SteeringOptions(**given)


def test_a_direction_of_another_model_or_of_these_prompts_is_refused(direction, tmp_path):
    files, short = SuiteFiles(harmful=("testbed:harmful_calibration#first=3",)), GenerateOptions(max_new_tokens=4)
    steering = SteeringOptions(direction=direction, coefficient=0.5)
    recipe = Recipe(model=MODEL, judge="refusal", suite=files, generation=short, steering=steering)
    with pytest.raises(ValueError, match="3 of 3 evaluation prompts also made the direction"):
        evaluate_recipe(recipe, tmp_path / "out.json")
    files = SuiteFiles(harmful=("testbed:harmful_heldout#first=3",))
    other = recipe.model_copy(update={"model": "testbed:unaligned", "suite": files})
    with pytest.raises(ValueError, match="was made for another model"):
        evaluate_recipe(other, tmp_path / "out.json")
    vllm = recipe.model_copy(update={"generation": GenerateOptions(engine="vllm")})
    with pytest.raises(ValueError, match="whose states can't be moved"):
        evaluate_recipe(vllm, tmp_path / "out.json")
