"""Bytes and operations against what a hand counts."""

import pytest
import torch
from torch import nn

from holdfast.plan.trace import Cost, traced


def linear() -> nn.Module:
    return nn.Linear(8, 4, device="meta")


def test_the_peak_of_a_linear_map_is_its_output_and_its_gradients():
    model, inputs = linear(), torch.empty(3, 8, device="meta")
    with traced(model) as trace:
        output = model(inputs)
        output.sum().backward()
    # Output 3 x 4, sum and its gradient one each, gradients of 4 x 8 weights and 4 biases; 4 bytes each.
    assert trace.peak == 4 * (12 + 1 + 1 + 32 + 4)
    assert trace.flops == 2 * (2 * 3 * 8 * 4)  # forward, and the weight's gradient


def test_what_is_let_go_of_no_longer_counts():
    with traced(linear()) as trace:
        first = torch.empty(100, device="meta")
        first = first + 1  # two at once
        first = first + 1
        assert trace.live == 400
    assert trace.peak == 800


def test_calls_that_are_known_already_count_like_the_first():
    model, inputs = linear(), torch.empty(5, 8, device="meta")
    costs = []
    for _ in range(2):
        with traced(model) as trace:
            model(inputs).relu().sum().backward()
        costs.append(trace.cost)
    assert costs[0] == costs[1]


def test_attention_keeps_no_matrix_of_tokens_by_tokens():
    query = torch.empty(1, 2, 512, 16, device="meta", requires_grad=True)
    with traced(linear()) as trace:
        torch.nn.functional.scaled_dot_product_attention(query, query, query, is_causal=True)
    assert trace.peak < 4 * 2 * 512 * 512


def test_the_model_is_given_back_without_gradients_and_as_trainable_as_before():
    model = linear()
    model.bias.requires_grad_(False)
    with traced(model):
        model(torch.empty(3, 8, device="meta")).sum().backward()
    assert model.weight.grad is None
    assert model.weight.requires_grad
    assert not model.bias.requires_grad


def test_a_pass_that_asks_for_values_is_refused_in_one_sentence():
    sentence = r"a pass of Linear could not run without its weights: .*\."
    with pytest.raises(ValueError, match=sentence), traced(linear()):
        torch.empty(3, device="meta").numpy()


def test_costs_add_up_and_peaks_do_not():
    assert Cost(5, 1, 2, 3).times(2) + Cost(7, 1, 1, 1) == Cost(7, 3, 5, 7)
