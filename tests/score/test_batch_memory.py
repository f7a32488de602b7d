"""How many tokens a batch may have: what backward keeps for one, measured on the model and the objective at hand."""

import gc
import weakref

import pytest
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from holdfast.objective.completions import Completion
from holdfast.score.batch_memory import ON_A_CPU, allowed_bytes, bytes_kept, fitting_budget
from holdfast.score.checkpoint import Checkpoint
from holdfast.score.gradient import collecting, sum_gradients, token_budget_of


class Squares:
    """Keeps 400 bytes a row for backward: the square's input."""

    unit = ""

    def __init__(self, lengths):
        self.completions = [
            Completion(f"prompt {place}", [0] * length, [length - 1]) for place, length in enumerate(lengths)
        ]
        self.rows = []

    def contributions(self, model, items):
        self.rows.append(len(items))
        return (model.weight.expand(len(items), 100) * 1.0).square().sum(1)

    def describe(self):
        return {}


class Weight(PreTrainedModel):
    config_class = PretrainedConfig

    def __init__(self):
        super().__init__(PretrainedConfig())
        self.weight = nn.Parameter(torch.ones(100))


def test_bytes_of_one_more_item_are_what_it_keeps():
    model, objective = Weight(), Squares([10, 10])
    assert bytes_kept(model, objective, [0, 0]) - bytes_kept(model, objective, [0]) == 400


def test_measuring_lets_go_of_the_model_and_of_what_backward_would_have_used():
    model = Weight()
    left = weakref.ref(model.weight)
    bytes_kept(model, Squares([10]), [0])
    del model
    gc.collect()
    assert left() is None


class JudgedSquares(Squares):
    """Goes backward while its contributions are made, as those of a judge's gradient do."""

    def contributions(self, model, items):
        embeddings = torch.ones(3, requires_grad=True)
        (gradient,) = torch.autograd.grad(embeddings.square().sum(), embeddings)
        return super().contributions(model, items) * gradient.sum()


def test_an_objective_that_goes_backward_itself_is_measured_too():
    model, objective = Weight(), JudgedSquares([10, 10])
    assert bytes_kept(model, objective, [0, 0]) - bytes_kept(model, objective, [0]) == 400


def test_a_budget_holds_as_many_items_as_the_memory_allows():
    assert fitting_budget(Weight(), Squares([10, 10]), [0, 1], allowed=4000) == 100  # ten items of ten tokens


@pytest.mark.parametrize(("allowed", "budget"), [(0, 1), (2**50, 4096)])
def test_a_budget_has_ends(allowed, budget):
    assert fitting_budget(Weight(), Squares([10]), [0], allowed) == budget


def test_the_item_that_is_most_completion_decides():
    objective = Squares([100, 2, 50])
    fitting_budget(Weight(), objective, [0, 2], 1)
    assert objective.completions[2].token_ids == [0] * 50
    assert fitting_budget(Weight(), Squares([100, 2, 50]), [0, 1, 2], allowed=4000) == 20
    assert fitting_budget(Weight(), Squares([100, 2, 50]), [0, 2], allowed=4000) == 500


def test_a_cpu_keeps_half_a_gibibyte():
    assert allowed_bytes(torch.device("cpu")) == ON_A_CPU == 2**29


def test_batches_follow_from_the_memory_where_no_budget_is_given(monkeypatch):
    monkeypatch.setattr("holdfast.score.batch_memory.ON_A_CPU", 1200)
    objective = Squares([10] * 7)
    sum_gradients(Weight(), ["weight"], objective, range(7))
    assert objective.rows == [2, 1, 3, 3, 1]  # the first two to measure


def test_a_pass_that_goes_on_keeps_its_budget(tmp_path):
    checkpoint = Checkpoint(tmp_path / "half_1.safetensors")
    assert checkpoint.token_budget(lambda: 7) == 7
    assert Checkpoint(tmp_path / "half_1.safetensors").token_budget(lambda: 9) == 7


def test_measuring_gives_the_model_back_as_it_was():
    model = Weight().requires_grad_(False)
    token_budget_of(model, {"weight": torch.zeros(100)}, Squares([10]), [0], torch.device("cpu"))
    assert not model.weight.requires_grad
    assert model.weight.grad is None
    with collecting(model, {"weight": torch.zeros(100)}):
        assert model.weight.requires_grad
