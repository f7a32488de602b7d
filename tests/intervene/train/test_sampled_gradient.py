import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from holdfast.intervene.entries import Entries
from holdfast.intervene.train.sampled_gradient import LARGEST_DENSITY, fits, owners_of
from holdfast.intervene.train.sparse_adamw import SparseAdamW
from holdfast.models.load import fingerprint
from holdfast.values import Mask
from tests.intervene.given import twin

pytestmark = pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="the sampled product is MKL's")
FEW = LARGEST_DENSITY / 2


class Layers(nn.Module):
    """Two layers; `how` uses the first."""

    def __init__(self, how):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.how = nn.Linear(40, 60, bias=False), nn.Linear(60, 50, bias=False), how

    def forward(self, inputs):
        return self.second(self.how(self.first, inputs))


def called(layer, inputs):
    return layer(inputs)


def called_twice(layer, inputs):
    return layer(inputs) + layer(inputs + 1)


def changed_in_place(layer, inputs):
    return layer(inputs).relu_()


def never_called(layer, inputs):
    return linear(inputs, layer.weight)


def partly_called(layer, inputs):
    return layer(inputs) + linear(inputs - 1, layer.weight)


def few_of(model):
    generator = torch.Generator().manual_seed(0)
    indices, shapes = {}, {}
    for name, weight in model.named_parameters():
        count = int(FEW * weight.numel())
        indices[name] = torch.randperm(weight.numel(), generator=generator)[:count].sort().values
        shapes[name] = tuple(weight.shape)
    return Mask(indices, shapes, fingerprint(model), sum(weight.numel() for weight in model.parameters()))


def loss(model, step):
    inputs = torch.randn(5, 7, 40, generator=torch.Generator().manual_seed(step))
    return model(inputs).square().mean()


def packed(model, mask, step):
    """Dense gradients of the selected entries, in the order of the mask."""
    model = twin(model).requires_grad_(True)
    loss(model, step).backward()
    parameters = dict(model.named_parameters())
    return torch.cat([parameters[name].grad.view(-1)[index] for name, index in mask.indices.items()])


@pytest.mark.parametrize("how", [called, called_twice, changed_in_place, never_called, partly_called])
def test_every_step_has_the_gradient_of_the_dense_backward_pass(how):
    model = Layers(how)
    mask = few_of(model)
    with SparseAdamW(model, mask, lr=1e-2) as optimizer:
        for step in range(3):
            wanted = packed(model, mask, step)
            loss(model, step).backward()
            (master,) = optimizer.param_groups[0]["params"]
            torch.testing.assert_close(master.grad, wanted, rtol=1e-5, atol=1e-7)
            optimizer.step()


@pytest.mark.parametrize(("how", "dense"), [(called, False), (never_called, True), (partly_called, True)])
def test_only_a_layer_whose_gradients_agree_computes_no_dense_one(how, dense):
    model = Layers(how)
    with SparseAdamW(model, few_of(model)) as optimizer:
        loss(model, 0).backward()
        assert model.first.weight.requires_grad
        optimizer.step()
        assert (model.first.weight.requires_grad, model.second.weight.requires_grad) == (dense, False)
    assert model.first.weight.requires_grad
    assert model.second.weight.requires_grad


def test_a_copy_made_while_training_is_left_alone():
    model = Layers(called)
    mask = few_of(model)
    with SparseAdamW(model, mask) as optimizer:
        copied = twin(model)
        loss(copied, 0).backward()
        assert optimizer.param_groups[0]["params"][0].grad is None
        torch.testing.assert_close(copied.first.weight.grad.view(-1)[mask["first.weight"]], packed(model, mask, 0)[:24])


def test_micro_batches_add_up():
    model = Layers(called)
    mask = few_of(model)
    with SparseAdamW(model, mask) as optimizer:
        for step in (0, 2):  # before and after the dense gradient is left out
            wanted = packed(model, mask, step) + packed(model, mask, step + 1)
            loss(model, step).backward()
            loss(model, step + 1).backward()
            (master,) = optimizer.param_groups[0]["params"]
            torch.testing.assert_close(master.grad, wanted, rtol=1e-5, atol=1e-7)
            optimizer.step()


def test_a_tied_or_densely_selected_layer_keeps_the_dense_gradient():
    model = Layers(called)
    entries = [entry_of(model, 0.01), entry_of(model, 0.5)]
    owners = owners_of(model)[model.first.weight]
    assert [fits(owners, entry) for entry in entries] == [True, False]
    assert not fits([*owners, nn.Embedding(1, 1)], entries[0])


def entry_of(model, density):
    weight = model.first.weight
    return Entries("first.weight", weight, torch.arange(int(density * weight.numel())))
