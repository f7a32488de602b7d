"""The accumulator: equal to plain autograd, and the model given back as it was."""

from collections.abc import Sequence

import pytest
import torch

from holdfast.artifacts import load_sums
from holdfast.models.sites import scored_sites
from holdfast.objective.response_likelihood import ResponseLikelihood
from holdfast.records import Exchange
from holdfast.score import checkpoint
from holdfast.score.checkpoint import Checkpoint
from holdfast.score.gradient import sum_gradients
from holdfast.score.passes import Pass
from tests.tiny import make_moe

EXCHANGES = [
    Exchange("how do i mend it ?", "sorry , i can not help with that ."),
    Exchange("help", "naïve café"),
    Exchange("clock ?", "that old clock"),
    Exchange("東京", "safe"),
]


class Broken(ResponseLikelihood):
    """Not a number for one prompt."""

    def contributions(self, model, items: Sequence[int]):
        contributions = super().contributions(model, items)
        broken = torch.tensor([self.completions[item].prompt == "clock ?" for item in items])
        return torch.where(broken, torch.nan, contributions)


def scored_names(model) -> list[str]:
    return [site.name for site in scored_sites(model)]


def plain_gradients(model, tokenizer) -> dict[str, torch.Tensor]:
    """Each exchange alone, by autograd, with no padding and no hook."""
    names = scored_names(model)
    objective = ResponseLikelihood(tokenizer, EXCHANGES)
    totals = {name: torch.zeros_like(model.get_parameter(name)) for name in names}
    for completion in objective.completions:
        logits = model(torch.tensor([completion.token_ids])).logits[0].log_softmax(-1)
        said = [float(0) + logits[place - 1, completion.token_ids[place]] for place in completion.positions]
        weights = [model.get_parameter(name) for name in names]
        gradients = torch.autograd.grad(torch.stack(said).mean(), weights, allow_unused=True)
        for name, gradient in zip(names, gradients, strict=True):
            totals[name] += 0 if gradient is None else gradient
    return totals


@pytest.mark.parametrize("family", ["llama", "moe"])
def test_sums_equal_plain_autograd_of_each_item_alone(family, llama, tokenizer):
    model = llama if family == "llama" else make_moe()
    expected = plain_gradients(model, tokenizer)
    total = sum_gradients(model, scored_names(model), ResponseLikelihood(tokenizer, EXCHANGES), range(4))
    for name, gradient in expected.items():  # float32 sums in another order
        torch.testing.assert_close(total.sums[name], gradient, rtol=1e-4, atol=1e-6)


def test_parts_add_up_to_the_whole(llama, tokenizer):
    objective, names = ResponseLikelihood(tokenizer, EXCHANGES), scored_names(llama)
    whole = sum_gradients(llama, names, objective, range(4))
    parts = sum_gradients(llama, names, objective, [0, 3]) + sum_gradients(llama, names, objective, [1, 2])
    assert parts.num_items == 4
    for name in names:
        torch.testing.assert_close(parts.mean(name), whole.mean(name), rtol=1e-4, atol=1e-6)


def test_sums_are_float32_when_the_model_is_bfloat16(llama, tokenizer):
    """Nine equal items: a bfloat16 sum of them is off by up to 2^-8, and a longer one stalls at 256 items."""
    objective, names = ResponseLikelihood(tokenizer, EXCHANGES[:1]), scored_names(llama)
    llama.to(torch.bfloat16)
    one = sum_gradients(llama, names, objective, [0])
    many = sum_gradients(llama, names, objective, [0] * 9, Pass(token_budget=1))
    for name in names:
        assert many.sums[name].dtype == torch.float32
        torch.testing.assert_close(many.mean(name), one.sums[name], rtol=1e-4, atol=1e-9)


def test_the_model_is_given_back_as_it_was(llama, tokenizer):
    llama.train()
    llama.model.layers[0].eval()
    frozen, pending = llama.model.layers[1].mlp.up_proj.weight, llama.model.norm.weight
    frozen.requires_grad_(False)
    pending.grad = torch.ones_like(pending)
    before = {name: weight.detach().clone() for name, weight in llama.named_parameters()}
    sum_gradients(llama, scored_names(llama), ResponseLikelihood(tokenizer, EXCHANGES), range(4))
    assert_given_back(llama, before)
    with pytest.raises(ValueError, match="not finite"):
        sum_gradients(llama, scored_names(llama), Broken(tokenizer, EXCHANGES), range(4), Pass(token_budget=1))
    assert_given_back(llama, before)


def assert_given_back(llama, before: dict[str, torch.Tensor]) -> None:
    frozen, pending = llama.model.layers[1].mlp.up_proj.weight, llama.model.norm.weight
    for name, weight in llama.named_parameters():
        assert torch.equal(weight, before[name])
        assert weight.requires_grad == (weight is not frozen)
        assert not weight._post_accumulate_grad_hooks
        assert (weight.grad is None) == (weight is not pending)
    assert torch.equal(pending.grad, torch.ones_like(pending))
    assert llama.training
    assert llama.model.layers[1].training
    assert not llama.model.layers[0].training
    assert not llama.model.layers[0].mlp.training


def test_dropout_is_off_while_scoring(llama, tokenizer):
    llama.config.attention_dropout = 0.5
    for layer in llama.model.layers:
        layer.self_attn.attention_dropout = 0.5
    objective, names = ResponseLikelihood(tokenizer, EXCHANGES), scored_names(llama)
    expected = sum_gradients(llama.eval(), names, objective, range(4))
    found = sum_gradients(llama.train(), names, objective, range(4))
    for name in names:
        assert torch.equal(found.sums[name], expected.sums[name])


def test_an_item_that_is_not_a_number_is_named_by_its_prompt(llama, tokenizer):
    with pytest.raises(ValueError, match=r"not finite for the prompt 'clock \?'"):
        sum_gradients(llama, scored_names(llama), Broken(tokenizer, EXCHANGES), range(4))


def test_scoring_works_where_gradients_are_off(llama, tokenizer):
    with torch.no_grad():
        total = sum_gradients(llama, scored_names(llama), ResponseLikelihood(tokenizer, EXCHANGES), range(4))
    assert all(bool(gradient.any()) for gradient in total.sums.values())


def test_an_expert_that_no_token_reached_sums_to_zero(tokenizer):
    model = make_moe()
    for layer in model.model.layers:
        layer.mlp.gate.weight.data.zero_()  # all experts tie, so the first two are taken
    total = sum_gradients(model, scored_names(model), ResponseLikelihood(tokenizer, EXCHANGES), range(4))
    by_expert = total.sums["model.layers.0.mlp.experts.down_proj"].abs().sum((1, 2))
    assert by_expert.count_nonzero() == 2


def test_progress_is_told_at_the_start_and_after_every_batch(llama, tokenizer):
    told = []
    sum_gradients(
        llama,
        scored_names(llama),
        ResponseLikelihood(tokenizer, EXCHANGES),
        range(4),
        Pass(1, lambda label, done, total: told.append((done, total))),
    )
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("stop_after", [1, 3])
def test_an_interrupted_sum_goes_on_and_ends_in_the_same_bits(stop_after, llama, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "MOST_OF_THE_TIME", 0)
    objective, names = ResponseLikelihood(tokenizer, EXCHANGES), scored_names(llama)
    whole = sum_gradients(llama, names, objective, range(4), Pass(token_budget=1))

    def stop(label, done, total):
        if done == stop_after + 1:
            raise KeyboardInterrupt

    path = tmp_path / "sums.safetensors"
    how = {"token_budget": 1, "progress": stop, "checkpoint": Checkpoint(path, seconds_between=0.0)}
    with pytest.raises(KeyboardInterrupt):
        sum_gradients(llama, names, objective, range(4), Pass(**how))
    assert load_sums(path)[1] == stop_after  # stopped before the last batch was kept
    told = []
    how = {"token_budget": 1, "progress": lambda *step: told.append(step), "checkpoint": Checkpoint(path)}
    found = sum_gradients(llama, names, objective, range(4), Pass(**how))
    assert [done for _, done, _ in told] == list(range(stop_after + 1, 5))
    for name in names:
        assert torch.equal(found.sums[name], whole.sums[name])


def test_a_finished_sum_is_read_and_not_computed_again(llama, tokenizer, tmp_path):
    objective, names = ResponseLikelihood(tokenizer, EXCHANGES), scored_names(llama)
    kept = Checkpoint(tmp_path / "sums.safetensors")
    whole = sum_gradients(llama, names, objective, range(4), Pass(checkpoint=kept))
    broken = Broken(tokenizer, EXCHANGES)  # would be refused if it were run
    again = sum_gradients(llama, names, broken, range(4), Pass(checkpoint=kept))
    assert all(torch.equal(again.sums[name], whole.sums[name]) for name in names)
