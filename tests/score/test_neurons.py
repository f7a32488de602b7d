"""Every method ranks a planted refusal neuron first, attributions add up, and bad input is one sentence."""

import pytest
import torch

from holdfast.models.activation_sites import neuron_sites
from holdfast.models.activations import changing
from holdfast.models.load import LoadedModel
from holdfast.objective.response_likelihood import ResponseLikelihood
from holdfast.prompts.chat import encode_prompt
from holdfast.records import Exchange
from holdfast.score.neurons import NeuronScoreOptions, Others, score_neurons
from holdfast.select.random import RandomOptions, select_random
from holdfast.select.top import select_top
from holdfast.select.votes import VotesOptions, select_votes
from tests.score.planted import HARMLESS, PLANTED, make_loaded_moe, planted

NAME = "model.layers.1.mlp.down_proj@input"
METHODS = ("integrated_gradients", "alpha_weighted", "gradient_times_activation", "contrast", "probe")
ONE = 1 / 64  # of 2 layers with 32 neurons each


@pytest.fixture(scope="module")
def given() -> tuple[LoadedModel, ResponseLikelihood]:
    return planted()


def others(loaded: LoadedModel, prompts: list[str] = HARMLESS) -> Others:
    return Others(prompts, [encode_prompt(loaded.tokenizer, prompt) for prompt in prompts])


def needed(method: str, loaded: LoadedModel) -> Others | None:
    return others(loaded) if method in ("contrast", "probe") else None


@pytest.mark.parametrize("method", METHODS)
def test_the_planted_neuron_is_first(method, given):
    loaded, objective = given
    options = NeuronScoreOptions(method=method)
    scores = score_neurons(loaded, objective, options, others=needed(method, loaded))
    whole = scores.halved.whole
    assert whole.granularity == "neuron"
    assert whole.num_entries == whole.num_parameters == 64
    assert select_top(whole, ONE).indices[NAME].tolist() == [PLANTED]
    if scores.by_example is not None:
        assert scores.by_example.entries[NAME].shape == (4, 32)
        assert select_votes(scores.by_example, VotesOptions(fraction=ONE)).indices[NAME].tolist() == [PLANTED]


def test_random_neurons_matched_by_layer_are_not_the_planted_one(given):
    loaded, objective = given
    scores = score_neurons(loaded, objective, NeuronScoreOptions(method="gradient_times_activation")).halved.whole
    top = select_top(scores, ONE)
    draws = [select_random(scores, RandomOptions(seed=seed), like=top) for seed in range(5)]
    assert all([len(draw[name]) for name in draw.shapes] == [0, 1] for draw in draws)
    assert sum(draw[NAME].tolist() == [PLANTED] for draw in draws) <= 1


def test_attributions_of_a_layer_add_up_to_what_zeroing_it_costs(given):
    """An independent computation: the objective as it is, minus that with the layer's neurons zero where they move."""
    loaded, objective = given
    scores = score_neurons(loaded, objective, NeuronScoreOptions(steps=40))
    assert scores.completeness_error is not None
    assert scores.completeness_error < 0.01
    assert scores.halved.whole.made_by["completeness_error"] == scores.completeness_error
    site = neuron_sites(loaded.model)[1]
    assert scores.by_example is not None
    with torch.no_grad():
        before = objective.contributions(loaded.model, [0])
        column = torch.tensor([position - 1 for position in objective.completions[0].positions])
        with changing(loaded.model, site, torch.zeros_like, (torch.zeros_like(column), column)):
            cost = float(before - objective.contributions(loaded.model, [0]))
    signed = _signed(loaded, objective)
    assert float(signed.sum()) == pytest.approx(cost, rel=0.01)


def _signed(loaded, objective):
    from holdfast.score.neuron_methods import NEURON_SCORES, Attributed, Settings

    attribute = NEURON_SCORES["integrated_gradients"].attribute
    assert attribute is not None
    example = Attributed(loaded, neuron_sites(loaded.model), objective, 0, settings=Settings(steps=40))
    return attribute(example)[NAME].values


def test_the_alpha_weighted_variant_does_not_add_up(given):
    loaded, objective = given
    plain, weighted = (
        score_neurons(loaded, objective, NeuronScoreOptions(method=method)).completeness_error
        for method in ("integrated_gradients", "alpha_weighted")
    )
    assert plain is not None
    assert weighted is not None
    assert plain < 0.05 < 0.2 < weighted


def test_batches_change_nothing_but_rounding(given):
    loaded, objective = given
    whole, small = (
        score_neurons(loaded, objective, NeuronScoreOptions(steps=5, token_budget=budget)).halved.whole
        for budget in (None, 1)
    )
    for name, entries in whole.entries.items():
        torch.testing.assert_close(small.entries[name], entries, atol=1e-5, rtol=1e-4)


def test_attribution_can_start_from_other_prompts(given):
    loaded, objective = given
    same = Others([each.prompt for each in objective.completions], others(loaded, []).token_ids)
    same = Others(same.prompts, [each.token_ids[: each.positions[0]] for each in objective.completions])
    nothing = score_neurons(loaded, objective, NeuronScoreOptions(steps=2), others=same).halved.whole
    assert all(float(entries.max()) < 1e-5 for entries in nothing.entries.values())  # start and end are the same
    moved = score_neurons(loaded, objective, NeuronScoreOptions(), others=others(loaded))
    assert select_top(moved.halved.whole, ONE).indices[NAME].tolist() == [PLANTED]
    assert moved.completeness_error is not None
    assert moved.completeness_error < 0.05


def test_halves_share_no_prompt_and_name_their_half(given):
    loaded, objective = given
    halved = score_neurons(loaded, objective, NeuronScoreOptions(method="gradient_times_activation")).halved
    assert [part.made_by.get("half") for part in (halved.whole, halved.first, halved.second)] == [None, 1, 2]
    assert [part.made_by["num_items"] for part in (halved.whole, halved.first, halved.second)] == [4, 2, 2]


def test_an_interrupted_scoring_goes_on(given, tmp_path):
    loaded, objective = given
    options = NeuronScoreOptions(steps=2)
    whole = score_neurons(loaded, objective, options, keep=tmp_path)
    (tmp_path / "example_3.safetensors").unlink()
    calls = []
    again = score_neurons(loaded, objective, options, lambda *step: calls.append(step), keep=tmp_path)
    assert again.halved.whole == whole.halved.whole
    assert again.completeness_error == whole.completeness_error


def test_neurons_of_experts_are_scored():
    loaded = make_loaded_moe()
    objective = ResponseLikelihood(loaded.tokenizer, [Exchange("mend", "sorry ."), Exchange("clock", "sorry")])
    scores = score_neurons(loaded, objective)
    assert {tuple(entries.shape) for entries in scores.halved.whole.entries.values()} == {(4, 16)}
    assert scores.completeness_error is not None
    assert scores.completeness_error < 0.05


def test_bad_input_is_one_sentence(given):
    loaded, objective = given
    with pytest.raises(
        ValueError, match="contrast compares activations with those of other prompts; give other prompts"
    ):
        score_neurons(loaded, objective, NeuronScoreOptions(method="contrast"))
    with pytest.raises(ValueError, match="one other prompt for every example, got 2 for 4; give as many"):
        score_neurons(loaded, objective, others=others(loaded, HARMLESS[:2]))
    plain = Others(HARMLESS, [loaded.tokenizer(prompt).input_ids for prompt in HARMLESS])
    with pytest.raises(
        ValueError, match=r"ends in the token '<\|assistant\|>' and its other prompt .* in .*; end both"
    ):
        score_neurons(loaded, objective, others=plain)
    with pytest.raises(ValueError, match="unknown score of neurons 'esi'"):
        score_neurons(loaded, objective, NeuronScoreOptions(method="esi"))
