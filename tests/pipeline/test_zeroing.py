"""`holdfast verify --zero`: what the mask's units carry is lost while they are zero, and not with random ones."""

import json

import pytest

from holdfast.artifacts import load_evaluation, load_mask
from holdfast.cli import call
from holdfast.models.fingerprints import fingerprint
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.models.stored import open_stored, stored_fingerprint
from holdfast.pipeline.options import SuiteFiles
from holdfast.pipeline.scoring import score_neurons
from holdfast.pipeline.zeroing import ZeroSpec, verify_zeroed
from holdfast.saving import save_mask
from holdfast.select.random import random_like, select_random
from holdfast.select.top import select_top

MODEL = "testbed:aligned"
ASKED = ["--harmful", "testbed:harmful_heldout#first=8", "--questions", "testbed:questions#first=4"]


@pytest.fixture(scope="module")
def neurons(tmp_path_factory):
    """A tenth of the neurons: those with the largest effect on refusals."""
    folder = tmp_path_factory.mktemp("zeroing")
    method = "gradient_times_activation"
    scores = score_neurons(MODEL, "testbed:refusals#first=16", folder / "neurons.safetensors", method=method)
    save_mask(folder / "mask.safetensors", select_top(scores, 0.1))
    return folder / "mask.safetensors"


def verify(mask, out, *others):
    short = ["--generate.max-new-tokens", "8", "--draws", "2", "--out", str(out)]
    return call(["verify", MODEL, "--mask", str(mask), "--zero", *ASKED, *short, *others])


def test_the_mask_and_random_masks_are_zeroed_in_turn_and_no_model_is_written(neurons, tmp_path, capsys):
    out = tmp_path / "out"
    assert verify(neurons, out, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["untouched"]["refusal"]["value"] == 1.0
    assert told["zeroed"]["refusal"]["value"] < min(one["refusal"]["value"] for one in told["random"])
    files = sorted(path.name for path in out.iterdir())
    assert files == ["random_0.json", "random_1.json", "settings.json", "untouched.json", "zeroed.json"]
    made = {name: load_evaluation(out / name).made_by["model"] for name in files if name != "settings.json"}
    assert len({one["fingerprint"] for one in made.values()}) == 4, "each is a model of its own"
    assert made["zeroed.json"]["name"] == f"{MODEL} with {neurons} at zero"
    assert made["random_1.json"]["name"] == f"{MODEL} with random mask 1 at zero"
    before = (out / "random_0.json").stat().st_mtime_ns
    assert verify(neurons, out) == 0
    assert "2 random ones" in capsys.readouterr().out
    assert (out / "random_0.json").stat().st_mtime_ns == before


def test_the_model_has_its_bits_again(neurons, tmp_path, monkeypatch):
    loaded = load_model(MODEL)
    monkeypatch.setattr("holdfast.pipeline.changed_model.load_model", lambda *given, **named: loaded)
    spec = ZeroSpec(
        model=MODEL, mask=neurons, files=SuiteFiles(harmful=("testbed:harmful_heldout#first=2",)), draws=1,
        out=tmp_path / "out", judge="refusal", generation=GenerateOptions(max_new_tokens=2),
    )  # fmt: skip
    verify_zeroed(spec)
    assert fingerprint(loaded.model) == stored_fingerprint(open_stored(MODEL))


def test_a_random_mask_like_another_is_that_of_select_random(neurons):
    mask = load_mask(neurons)
    scores = neurons.parent / "neurons.safetensors"
    drawn = random_like(mask, 3)
    assert drawn.equals(select_random(scores, like=mask, seed=3))
    assert drawn.granularity == "neuron"
    assert repr(drawn).startswith("<Mask: random control, ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--control", "random.safetensors"], "--control has no effect with --zero"),
        (["--refusals", "testbed:refusals"], "--refusals has no effect with --zero"),
        (["--ratios", "2"], "--ratios has no effect with --zero"),
    ],
)
def test_what_has_no_effect_beside_zero_is_one_sentence(arguments, sentence, neurons, tmp_path, capsys):
    assert verify(neurons, tmp_path / "out", *arguments) == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()
