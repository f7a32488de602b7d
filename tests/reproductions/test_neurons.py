"""Pieces that the reproductions on neurons share equal the package's own computations, and give everything back."""

import pytest
import torch
from reproductions.neurons.cells import cell, read_cells
from reproductions.neurons.edits import by_layer, random_like, scaled_neurons
from reproductions.neurons.prefix import PrefixedProbability

from holdfast import Mask, Scores, load_model
from holdfast.models.activation_sites import neuron_sites
from holdfast.models.activations import changing
from holdfast.objective.completions import Completion
from holdfast.objective.token_probability import TokenProbability
from holdfast.score.neurons import NeuronScoreOptions, score_neurons

TEXTS = [Completion("a", [37, 82, 90, 225, 24, 27], [4, 5]), Completion("b", [59, 65, 282, 80, 31], [3, 4])]


@pytest.fixture(scope="module")
def loaded():
    return load_model("testbed:aligned")


def mask_of(loaded, selected):
    sites = neuron_sites(loaded.model)
    indices = {sites[layer].name: torch.tensor(neurons) for layer, neurons in selected.items()}
    shapes = {site.name: site.shape for site in sites}
    return Mask(indices, shapes, loaded.base, loaded.model.num_parameters(), granularity="neuron")


def test_kept_keys_and_values_change_no_attribution(loaded):
    options = NeuronScoreOptions(steps=4)
    scored = [
        score_neurons(loaded, objective, options).halved.whole.entries
        for objective in (PrefixedProbability(loaded.model, TEXTS), TokenProbability(TEXTS))
    ]
    assert scored[0].keys() == scored[1].keys()
    for name, entries in scored[0].items():
        assert float(entries.max()) > 0
        torch.testing.assert_close(entries, scored[1][name], rtol=1e-3, atol=1e-4 * float(entries.max()))


def test_scaled_neurons_equal_scaled_activations_and_come_back(loaded):
    site, token_ids = neuron_sites(loaded.model)[2], torch.tensor([TEXTS[0].token_ids])
    before = {name: weight.clone() for name, weight in loaded.model.named_parameters()}

    def tripled(activation):
        return torch.cat([activation[..., :5], 3 * activation[..., 5:7], activation[..., 7:]], dim=-1)

    with torch.no_grad(), changing(loaded.model, site, tripled):
        expected = loaded.model(token_ids).logits
    with torch.no_grad(), scaled_neurons(loaded.model, mask_of(loaded, {2: [5, 6]}), 3.0):
        scaled = loaded.model(token_ids).logits
    torch.testing.assert_close(scaled, expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(RuntimeError), scaled_neurons(loaded.model, mask_of(loaded, {2: [5, 6]}), 0.0):
        raise RuntimeError
    assert all(torch.equal(weight, before[name]) for name, weight in loaded.model.named_parameters())


def test_random_neurons_are_as_many_in_every_layer_and_differ_between_draws(loaded):
    mask = mask_of(loaded, {1: [0, 1, 2], 4: [7]})
    entries = {name: torch.zeros(shape) for name, shape in mask.shapes.items()}
    scores = Scores(entries, "probability", loaded.base, loaded.model.num_parameters(), granularity="neuron")
    drawn = [random_like(scores, mask, draw) for draw in range(2)]
    assert by_layer(drawn[0]) == by_layer(drawn[1]) == by_layer(mask)
    assert sorted(by_layer(mask).values()) == [1, 3]
    assert drawn[0].iou(drawn[1]) < 1


def test_a_cell_is_measured_once(tmp_path):
    measured = []

    def measure():
        measured.append(1)
        return {"value": 0.1 + 0.2}

    assert cell(tmp_path / "new", "one", measure) == cell(tmp_path / "new", "one", measure) == {"value": 0.1 + 0.2}
    assert measured == [1]
    assert read_cells(tmp_path / "new") == {"one": {"value": 0.1 + 0.2}}
