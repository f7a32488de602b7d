"""What a model calls its layers with is found, and what can't be taken apart is refused."""

import pytest
import torch
from torch import nn

from holdfast.models.layer_calls import call_of, ending_in

TOKENS = torch.ones(2, 3, 4)


class Doubling(nn.Module):
    """A layer that multiplies by two, and by what it is given."""

    def forward(self, hidden, mask=None, **others):
        return hidden * 2 * (1 if mask is None else mask)


class Model(nn.Module):
    """Hands its layers masks of their own."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, hidden):
        for number, layer in enumerate(self.layers):
            hidden = layer(hidden, mask=torch.tensor(number + 1.0), name="full")
        return hidden + 1


class Between(Model):
    def forward(self, hidden):
        for layer in self.layers:
            hidden = layer(hidden) + 1
        return hidden


class Twice(Model):
    def forward(self, hidden):
        return super().forward(super().forward(hidden))


class Backwards(Model):
    def forward(self, hidden):
        for layer in reversed(self.layers):
            hidden = layer(hidden)
        return hidden


class Skipping(Model):
    def forward(self, hidden):
        return self.layers[0](hidden)


class WithState(Model):
    def forward(self, hidden):
        shared = {}
        for layer in self.layers:
            hidden = layer(hidden, shared=shared)
        return hidden


class WithGradient(Model):
    def forward(self, hidden):
        for layer in self.layers:
            hidden = layer(hidden, mask=torch.ones(1, requires_grad=True))
        return hidden


def call(model: Model, number: int):
    return call_of(list(model.layers), number, lambda: model(TOKENS))


def test_layers_that_are_run_one_by_one_give_what_the_model_gives():
    model = Model(Doubling(), Doubling(), Doubling())
    hidden = TOKENS
    for number, layer in enumerate(model.layers):
        hidden = call(model, number).run(layer, hidden)
    assert torch.equal(hidden + 1, model(TOKENS))
    assert float(hidden[0, 0, 0]) == 2 * 4 * 6


def test_a_pass_that_ends_in_given_hidden_states_runs_no_layer():
    model = Model(Doubling(), Doubling())
    given = torch.full((2, 3, 4), 5.0)
    with ending_in(list(model.layers), lambda like: given.expand_as(like)):
        assert torch.equal(model(TOKENS), given + 1)


def test_the_layers_come_back_also_after_an_exception():
    model = Model(Doubling(), Doubling())
    model.layers[0].forward = own = lambda hidden, **others: hidden  # as accelerate's hooks do
    with pytest.raises(KeyError), ending_in(list(model.layers), lambda like: like):
        raise KeyError
    call(model, 1)
    assert model.layers[0].forward is own
    assert "forward" not in model.layers[1].__dict__


@pytest.mark.parametrize(
    ("kind", "number", "reason"),
    [
        (Between, 1, "does not receive the output of the layer before it"),
        (Backwards, 1, "is called out of order"),
        (Skipping, 1, "is never called"),
        (WithState, 1, "receives a dict, which could carry more"),
        (WithGradient, 0, "receives a tensor beside the hidden states that needs a gradient"),
    ],
)
def test_a_model_that_does_more_than_hand_on_is_refused(kind, number, reason):
    with pytest.raises(ValueError, match=f"Doubling {reason}"):
        call(kind(Doubling(), Doubling()), number)


@pytest.mark.parametrize(("kind", "reason"), [(Twice, "more than once"), (Skipping, "is never called")])
def test_an_objective_that_makes_another_number_of_passes_is_refused(kind, reason):
    model = kind(Doubling(), Doubling())
    with pytest.raises(ValueError, match=reason), ending_in(list(model.layers), lambda like: like):
        model(TOKENS)


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (lambda hidden, **others: (hidden, None), "returns a tuple in place of a tensor of shape"),
        (lambda hidden, **others: hidden[:, :2], r"returns a tensor of shape \(2, 2, 4\)"),
        (lambda hidden, **others: hidden + torch.rand(1), "draws random numbers"),
    ],
)
def test_a_layer_that_hands_on_something_else_or_randomises_is_refused(forward, reason):
    model = Model(Doubling())
    found = call(model, 0)
    model.layers[0].forward = forward
    with pytest.raises(ValueError, match=reason):
        found.run(model.layers[0], TOKENS)
