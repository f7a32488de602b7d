"""Wanda's norms: equal to what hooks on the modules see, counted where completions are predicted and nowhere else."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from holdfast.models.sites import scored_sites
from holdfast.objective.response_likelihood import ResponseLikelihood
from holdfast.records import Exchange
from holdfast.score import ScoreOptions, score
from holdfast.score.inputs import sum_input_squares
from holdfast.score.passes import Pass
from tests.tiny import make_llama, make_loaded, make_moe

EXCHANGES = [
    Exchange("how do i mend it ?", "sorry , i can not help with that ."),
    Exchange("help", "naïve café"),
    Exchange("clock ?", "that old clock"),
    Exchange("東京", "safe"),
]


def make_gpt2():
    torch.manual_seed(0)
    sizes = {"vocab_size": 340, "n_positions": 128, "n_embd": 16, "n_layer": 2, "n_head": 2}
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=None, eos_token_id=1)).eval()


def scored_names(model) -> list[str]:
    return [site.name for site in scored_sites(model)]


def seen_by_hooks(model, objective) -> dict[str, torch.Tensor]:
    """Each exchange alone, in one piece: the inputs of every module at the positions that predict the completion."""
    totals = {}

    def remember(name):
        def hook(module, inputs):
            begin, end = completion.positions[0] - 1, completion.positions[-1]
            squares = inputs[0].reshape(-1, inputs[0].shape[-1])[begin:end].square().sum(0)
            totals[name] = totals.get(name, 0) + squares.detach()

        return hook

    names = set(scored_names(model))
    hooks = [
        module.register_forward_pre_hook(remember(f"{path}.weight"))
        for path, module in model.named_modules()
        if f"{path}.weight" in names
    ]
    for completion in objective.completions:
        model(torch.tensor([completion.token_ids]))
    for hook in hooks:
        hook.remove()
    return totals


@pytest.mark.parametrize("make_model", [make_llama, make_moe, make_gpt2])
@pytest.mark.parametrize("token_budget", [1, 4096])
def test_sums_equal_what_hooks_see_of_each_item_alone(make_model, token_budget, tokenizer):
    model = make_model()
    objective = ResponseLikelihood(tokenizer, EXCHANGES + EXCHANGES[:2])
    expected = seen_by_hooks(model, objective)
    found = sum_input_squares(model, scored_names(model), objective, range(6), Pass(token_budget=token_budget))
    assert expected
    for name, squares in expected.items():  # float32, with and without a cache of keys and values
        torch.testing.assert_close(found.sums[name].flatten(), squares, rtol=1e-4, atol=1e-6)


def test_each_expert_counts_the_tokens_that_it_was_given(tokenizer):
    model, objective = make_moe(), ResponseLikelihood(tokenizer, EXCHANGES)
    found = sum_input_squares(model, scored_names(model), objective, range(4))
    total = found.sums["model.layers.0.mlp.experts.gate_up_proj"]
    given = {}
    hook = model.model.layers[0].mlp.experts.register_forward_pre_hook(
        lambda module, inputs: given.setdefault("all", []).append([tensor.detach() for tensor in inputs])
    )
    expected = torch.zeros_like(total)
    for completion in objective.completions:
        given.clear()
        model(torch.tensor([completion.token_ids]))
        hidden, experts, _ = given["all"][0]
        for position in range(completion.positions[0] - 1, completion.positions[-1]):
            for expert in experts[position].tolist():
                expected[expert, 0] += hidden[position].square()
    hook.remove()
    torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-6)


def test_an_idle_expert_sums_to_zero_and_its_model_is_given_back(tokenizer):
    model = make_moe().train()
    for layer in model.model.layers:
        layer.mlp.gate.weight.data.zero_()  # all experts tie, so the first two are taken
    before = model.config._experts_implementation
    found = sum_input_squares(model, scored_names(model), ResponseLikelihood(tokenizer, EXCHANGES), range(4))
    by_expert = found.sums["model.layers.0.mlp.experts.down_proj"].sum((1, 2))
    assert by_expert.count_nonzero() == 2
    assert model.training
    assert model.config._experts_implementation == before


def test_wanda_is_weight_times_the_norm_of_its_input(tokenizer, llama):
    loaded = make_loaded(llama, tokenizer)
    objective = ResponseLikelihood(tokenizer, EXCHANGES)
    name = "model.layers.0.mlp.down_proj.weight"
    squares = seen_by_hooks(llama, objective)[name] / len(EXCHANGES)
    found = score(loaded, objective, ScoreOptions(method="wanda")).entries[name]
    expected = llama.get_parameter(name).detach().abs() * squares.sqrt()[None, :]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_random_scores_differ_between_halves_and_repeat(tokenizer, llama):
    loaded = make_loaded(llama, tokenizer)
    objective, options = ResponseLikelihood(tokenizer, EXCHANGES), ScoreOptions(method="random")
    first, again = score(loaded, objective, options), score(loaded, objective, options)
    other = score(loaded, ResponseLikelihood(tokenizer, EXCHANGES[:2]), options)
    name = "model.layers.0.mlp.down_proj.weight"
    assert torch.equal(first.entries[name], again.entries[name])
    assert not torch.equal(first.entries[name], other.entries[name])
