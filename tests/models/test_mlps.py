"""MLPs of every family are found, and the weights that belong to a neuron are those that carry its activation."""

import pytest
import torch
from torch import nn

from holdfast.models.mlps import NeuronAxis, find_mlps
from tests.models.families import EVERY, make_family
from tests.tiny import make_llama

TOKEN_IDS = torch.tensor([[5, 9, 20, 11, 7]])


def logits_without(model: nn.Module, axis: NeuronAxis, neurons: torch.Tensor, width: int) -> torch.Tensor:
    """Logits after all weights of some neurons in one parameter are zero."""
    weight = model.get_parameter(axis.name)
    before = weight.detach().clone()
    with torch.no_grad():
        weight.view(-1)[axis.entries(neurons, width)] = 0
        logits = model(TOKEN_IDS).logits
        weight.copy_(before)
    return logits


@pytest.mark.parametrize("family", EVERY)
def test_every_layer_has_neurons_that_read_and_write(family):
    model = make_family(family)
    mlps = find_mlps(model)
    assert {mlp.layer for mlp in mlps} == {0, 1}
    for mlp in mlps:
        assert {"down", "up"} <= set(mlp.axes)
        for axis in mlp.axes.values():
            every = axis.entries(torch.arange(max(1, mlp.num_experts) * mlp.width), mlp.width)
            size = model.get_parameter(axis.name).numel()
            assert len(every) == (size // 2 if axis.fused else size) == len(every.unique())


@pytest.mark.parametrize("family", EVERY)
def test_a_neuron_that_writes_nothing_is_one_that_reads_nothing(family):
    """Without biases, act(0) * up = 0: the columns of down carry the same neuron as the rows of up."""
    model = make_family(family)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bias" in name:
                weight.zero_()
    for mlp in find_mlps(model):
        neurons = torch.arange(0, max(1, mlp.num_experts) * mlp.width, 3)
        without = logits_without(model, mlp.axes["down"], neurons, mlp.width)
        for part in mlp.axes.keys() - {"down"}:
            if part == "gate" or family.name != "gpt_oss":  # it multiplies by up + 1
                torch.testing.assert_close(logits_without(model, mlp.axes[part], neurons, mlp.width), without)


def test_entries_of_a_neuron_are_its_column_and_its_rows():
    mlp = find_mlps(make_llama())[0]  # d_model 16, d_mlp 32
    column = mlp.axes["down"].entries(torch.tensor([3]), mlp.width)
    assert column.tolist() == [32 * row + 3 for row in range(16)]
    rows = mlp.axes["gate"].entries(torch.tensor([0, 3]), mlp.width)
    assert rows.tolist() == [*range(16), *range(48, 64)]


def test_a_model_without_a_known_mlp_is_refused(monkeypatch):
    monkeypatch.setattr("holdfast.models.mlps.NAMES", ())
    with pytest.raises(
        ValueError, match="has no MLP whose hidden units are known: its layers hold down_proj, gate_proj"
    ):
        find_mlps(make_llama())
