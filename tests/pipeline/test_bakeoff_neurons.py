"""Neurons in a bakeoff: their masks have as many weights as the others, beside random neurons, and a row each."""

import pytest

from holdfast import load_mask
from holdfast.models.load import load_model
from holdfast.models.mlps import find_mlps
from holdfast.models.sites import scored_sites
from holdfast.pipeline.bakeoff import bakeoff, contestants, mask_of
from holdfast.pipeline.bakeoff_neurons import neuron_fraction
from holdfast.values import entries_in
from tests.pipeline.test_bakeoff import small_bakeoff


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bakeoff")
    config = small_bakeoff(
        folder,
        methods=("random",),
        objectives=("refusal_likelihood",),
        selectors=("top",),
        seeds=(),
        neurons=("gradient_times_activation", "contrast", "probe"),
        fractions=(0.02,),
    )
    return config, folder / "out", bakeoff(config, folder / "out")


def test_every_score_of_neurons_has_a_row_and_the_first_one_a_control(finished):
    config, _, result = finished
    assert (
        [row["name"] for row in result["rows"]]
        == [each.name for each in contestants(config)]
        == [
            "random, top",
            "gradient_times_activation of neurons, refusal likelihood, top",
            "contrast of neurons, refusal likelihood, top",
            "probe of neurons, refusal likelihood, top",
            "gradient_times_activation of neurons, refusal likelihood, random",
        ]
    )
    assert all(row["predicts"] is None and row["halves"] is not None for row in result["rows"][1:])
    assert all(row["points"][0]["asr"]["n"] > 0 for row in result["rows"])


def test_masks_of_neurons_have_as_many_weights_as_the_others(finished):
    """A neuron of the built-in model has 3 * 96 weights, and a mask may miss or exceed the budget by half of one."""
    config, out, _ = finished
    masks = [load_mask(mask_of(config, each, out)) for each in contestants(config)]
    assert all(mask.granularity == "weight" for mask in masks)
    assert all(abs(len(mask) - len(masks[0])) <= 144 for mask in masks[1:])
    assert masks[1].iou(masks[4]) < 0.3, "random neurons are others"


def test_a_share_of_neurons_by_hand():
    model = load_model("testbed:aligned").model
    scored = sum(entries_in(site.shape) for site in scored_sites(model))
    weights = sum(3 * 96 * entries_in(mlp.shape) for mlp in find_mlps(model))
    assert weights == 3 * 96 * 256 * 8
    assert neuron_fraction("testbed:aligned", 0.01) == pytest.approx(0.01 * scored / weights)
    with pytest.raises(ValueError, match="fewer weights than 0\\.99"):
        neuron_fraction("testbed:aligned", 0.99)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"neurons": ("contrasts",)}, "unknown score of neurons"),
        ({"neurons": ("integrated_gradients",), "refusals": None}, "set `refusals`"),
    ],
)
def test_neurons_without_their_prompts_are_refused_before_a_model_is_loaded(changes, sentence, tmp_path, monkeypatch):
    monkeypatch.setattr("holdfast.pipeline.bakeoff.load_model", None)  # would fail if it were called
    with pytest.raises(ValueError, match=sentence):
        bakeoff(small_bakeoff(tmp_path, objectives=("judge_gradient",), **changes), tmp_path / "out")
