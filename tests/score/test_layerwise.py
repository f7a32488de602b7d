"""One layer at a time gives the scores of the whole model, in files or in memory, stopped or not.

The bar is 1e-5 of a tensor's largest score. Measured, the two are equal to the bit: the same operations are done on the
same batches, in the same order.
"""

from contextlib import closing

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from holdfast.judge.guard import GuardJudge
from holdfast.models.generate import generate
from holdfast.models.layered import in_memory, open_layered
from holdfast.models.load import load_model, quiet_transformers
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Outcome
from holdfast.prompts.sources import load_prompts
from holdfast.score import JudgeGradient, PolicyGradient, ResponseLikelihood, ScoreOptions, score_halves
from holdfast.score.layer_scores import outline_scores, score_by_layer
from holdfast.score.layerwise import sum_by_layer
from holdfast.score.scoring import HalvedScores
from holdfast.values import Scores
from tests.models.families import EVERY, SMALL, make_family
from tests.score.test_gradient import EXCHANGES, Broken
from tests.tiny import make_llama, make_loaded, make_moe, make_tokenizer

BAR = 1e-5
HANDS_ON_TUPLES = ("falcon",)


def parts_of(halved: HalvedScores) -> tuple[Scores, Scores, Scores]:
    return halved.whole, halved.first, halved.second


def assert_same(layered, objective, expected: HalvedScores, options=ScoreOptions(), **how) -> None:
    """That all layers come, the last one first, with the scores and the idle experts that are expected."""
    found, idle = [{}, {}, {}], [0, 0, 0]
    for number, layer in zip(
        reversed(range(len(layered.layers))), score_by_layer(layered, objective, options, **how), strict=True
    ):
        assert layer.number == number
        for place, (entries, counts) in enumerate(zip(layer.entries, layer.idle, strict=True)):
            found[place] |= entries
            idle[place] += counts.get("idle_experts", 0)
    outlines = parts_of(outline_scores(layered, objective, options))
    for entries, outline, count, scores in zip(found, outlines, idle, parts_of(expected), strict=True):
        assert sorted(entries) == list(scores.entries) == list(outline.entries)
        for name, wanted in scores.entries.items():
            assert float((entries[name] - wanted).abs().max()) <= BAR * float(wanted.max()), name
        assert outline.shapes == scores.shapes
        assert (outline.unit, outline.base, outline.num_parameters) == (scores.unit, scores.base, scores.num_parameters)
        assert count == scores.made_by.get("idle_experts", 0)
        assert {**scores.made_by, "idle_experts": 0} == {**outline.made_by, "idle_experts": 0}


@pytest.fixture(scope="module")
def judge():
    guard = load_model("testbed:guard")
    return GuardJudge(guard.model, guard.tokenizer)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("esi", "testbed:aligned"),
        ("snip", "testbed:aligned-moe"),
        pytest.param("esi", "testbed:aligned-moe", marks=pytest.mark.slow),
        pytest.param("snip", "testbed:aligned", marks=pytest.mark.slow),
    ],
)
def test_a_built_in_model_is_scored_from_its_files_as_it_is_in_memory(name, method, judge, tmp_path):
    loaded = load_model(name)
    prompts = [prompt.prompt for prompt in load_prompts("testbed:harmful_calibration")[:8]]
    responses = generate(loaded.model, loaded.tokenizer, prompts, GenerateOptions(max_new_tokens=8))
    objective, options = (
        JudgeGradient(judge, loaded.tokenizer, responses),
        ScoreOptions(method=method, token_budget=512),
    )
    expected = score_halves(loaded, objective, options)
    assert_same(open_layered(name, device="cpu"), objective, expected, options, folder=tmp_path)


@pytest.mark.parametrize("family", EVERY)
def test_every_family_is_scored_layer_by_layer_or_refused(family):
    with quiet_transformers():
        loaded = make_loaded(make_family(family), make_tokenizer())
    objective = ResponseLikelihood(loaded.tokenizer, EXCHANGES)
    if family.name in HANDS_ON_TUPLES:
        with pytest.raises(ValueError, match="returns a tuple"):
            list(score_by_layer(in_memory(loaded), objective))
        return
    assert_same(in_memory(loaded), objective, score_halves(loaded, objective))


@pytest.mark.parametrize("token_budget", [1, 40])
def test_tied_embeddings_and_small_batches_change_nothing(token_budget, llama, tokenizer, tmp_path):
    assert llama.lm_head.weight is llama.model.embed_tokens.weight
    loaded, options = make_loaded(llama, tokenizer), ScoreOptions(token_budget=token_budget)
    objective = ResponseLikelihood(tokenizer, EXCHANGES)
    expected = score_halves(loaded, objective, options)
    assert_same(in_memory(loaded), objective, expected, options)
    assert_same(in_memory(loaded), objective, expected, options, folder=tmp_path)


def test_another_estimator_that_has_contributions_works_unchanged(llama, tokenizer):
    loaded = make_loaded(llama, tokenizer)
    responses = generate(
        llama,
        tokenizer,
        ["help", "clock ?"],
        GenerateOptions(max_new_tokens=4, num_samples=2, temperature=1.0),
    )
    outcomes = [Outcome("safe"), Outcome("unsafe"), Outcome("unsafe"), Outcome("safe")]
    objective = PolicyGradient(responses, outcomes)
    assert_same(in_memory(loaded), objective, score_halves(loaded, objective))


def test_idle_experts_of_all_layers_are_counted(tokenizer):
    model = make_moe()
    for layer in model.model.layers:
        layer.mlp.gate.weight.data.zero_()  # all experts tie, so the first two are taken
    loaded, objective = make_loaded(model, tokenizer), ResponseLikelihood(tokenizer, EXCHANGES)
    expected = score_halves(loaded, objective)
    assert expected.whole.made_by["idle_experts"] == 4
    assert_same(in_memory(loaded), objective, expected)


@pytest.mark.parametrize(
    "stop_after", [2, 5, 6, 8, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 3, 4, 7))]
)
@pytest.mark.parametrize("keep_layers", [True, False])
def test_a_pass_that_was_stopped_goes_on_to_the_same_sums(stop_after, keep_layers, tokenizer, tmp_path):
    layered = in_memory(make_loaded(make_llama(layers=4), tokenizer))
    objective = ResponseLikelihood(tokenizer, EXCHANGES)
    how = {"token_budget": 40, "folder": tmp_path, "keep_layers": keep_layers}
    expected = {one.number: one.parts[0] for one in sum_by_layer(layered, objective, [range(4)], token_budget=40)}

    def stop(label, done, total):
        if done == stop_after:
            raise KeyboardInterrupt

    found = {}

    def take(**more) -> list[int]:
        numbers = []
        with closing(sum_by_layer(layered, objective, [range(4)], **how, **more)) as layers:
            for one in layers:
                numbers.append(one.number)
                found[one.number] = one.parts[0]
        return numbers

    with pytest.raises(KeyboardInterrupt):
        take(progress=stop)
    done = sorted(found) if keep_layers else []
    assert len(found) == max(0, stop_after - 5)  # behind four steps forward and the head
    assert take() == [number for number in (3, 2, 1, 0) if number not in done]
    for number, total in expected.items():
        for name, sums in total.sums.items():
            assert torch.equal(found[number].sums[name], sums)


@pytest.mark.parametrize("broken", [False, True])
def test_the_model_is_given_back_as_it_was(broken, llama, tokenizer):
    llama.train()
    llama.model.layers[0].mlp.up_proj.weight.requires_grad_(False)
    llama.model.norm.weight.grad = torch.ones_like(llama.model.norm.weight)
    before = {name: weight.detach().clone() for name, weight in llama.named_parameters()}
    objective = (Broken if broken else ResponseLikelihood)(tokenizer, EXCHANGES)
    with closing(sum_by_layer(in_memory(make_loaded(llama, tokenizer)), objective, [range(4)])) as layers:
        if broken:
            with pytest.raises(ValueError, match="not finite for the prompt 'clock"):
                next(layers)
        else:
            next(layers)  # and no further: the iterator is closed with a layer to come
    assert llama.training
    for name, weight in llama.named_parameters():
        assert torch.equal(weight, before[name])
        assert weight.requires_grad == ("layers.0.mlp.up_proj" not in name)
        assert not weight._post_accumulate_grad_hooks
        assert (weight.grad is None) == (name != "model.norm.weight")
    assert all("forward" not in layer.__dict__ for layer in llama.model.layers)


def test_layers_that_share_keys_and_values_are_refused(tokenizer):
    config = SMALL | {
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "vocab_size_per_layer_input": 340,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 4,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "activation_sparsity_pattern": [0.0] * 4,
        "intermediate_size": [24] * 4,
    }
    with quiet_transformers():
        model = AutoModelForCausalLM.from_config(CONFIG_MAPPING["gemma3n_text"](**config)).eval()
    objective = ResponseLikelihood(tokenizer, EXCHANGES)
    with pytest.raises(ValueError, match="which could carry more than masks from layer to layer; leave layer-wise out"):
        next(score_by_layer(in_memory(make_loaded(model, tokenizer)), objective))


@pytest.mark.parametrize("method", ["wanda", "magnitude", "random"])
def test_a_formula_that_takes_no_gradient_is_refused(method, llama, tokenizer):
    objective = ResponseLikelihood(tokenizer, EXCHANGES)
    with pytest.raises(ValueError, match=f"method {method} .*choose esi, gradient_magnitude, snip"):
        next(score_by_layer(in_memory(make_loaded(llama, tokenizer)), objective, ScoreOptions(method=method)))
