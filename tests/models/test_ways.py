"""Whatever a model keeps from token to token, its answers are what its own forward pass chooses, batched or alone."""

import pytest
import torch

from holdfast.models import ways
from holdfast.models.stretches import continue_batch
from holdfast.models.ways import find_way
from tests.models.families import CONTINUED, SLOWLY_CONTINUED, make_only_continued

PROMPTS = [[5, 6, 7], [*range(8, 29)], [9, 10, 11, 12, 13, 14, 15, 16, 17], [14, 15, 16]]
LENGTH = 12
FAST = ("opt", "lfm2", "rwkv")
"""Learned positions, states beside attention, and a state that padding runs into."""
NAMES = [
    pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in (*CONTINUED, *SLOWLY_CONTINUED)
]


@torch.no_grad()
def own_choices(model, prompt, ends):
    """The largest logit of the whole sequence, again and again: the definition."""
    ids = list(prompt)
    while len(ids) < len(prompt) + LENGTH and not ends & {*ids[len(prompt) :]}:
        ids.append(int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def until(token_ids, ends):
    end = next((place for place, token in enumerate(token_ids) if token in ends), len(token_ids))
    return token_ids[: end + 1]


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_the_models_own_choices_batched_and_alone(name):
    model = make_only_continued(name)
    ends = {own_choices(model, PROMPTS[0], set())[3]}  # one row ends in the first stretch
    expected = [own_choices(model, prompt, ends) for prompt in PROMPTS]
    assert len(expected[0]) < 8
    how = {"max_new_tokens": LENGTH, "temperature": 0, "end_ids": ends, "pad_id": 0}
    batched = continue_batch(model, PROMPTS, **how)
    alone = continue_batch(model, PROMPTS[1:2], **how)
    assert [until(one.token_ids, ends) for one in batched] == expected
    assert until(alone[0].token_ids, ends) == expected[1]


@pytest.mark.parametrize(
    ("name", "pads", "in_stretches", "caches"),
    [
        ("opt", True, True, True),
        ("mpt", True, True, True),  # its config switches the cache off, which is no reason to go without
        ("lfm2", True, False, True),
        ("mamba", True, False, True),
        ("rwkv", False, False, False),  # padding runs into its state, and a batch of states is mixed up
        ("xlstm", False, False, False),  # its own cache has the wrong shape at this size
    ],
)
def test_the_way_is_what_the_state_allows(name, pads, in_stretches, caches):
    assert find_way(make_only_continued(name), 0) == ways.Way(pads, in_stretches, caches)


def test_a_state_that_padding_runs_into_is_asked_in_batches_of_equal_length(llama, monkeypatch):
    """A model that ignores its attention mask, as recurrent ones without one do."""
    forward = llama.forward

    def unmasked(*arguments, **how):
        how |= {"attention_mask": None, "position_ids": None}
        return forward(*arguments, **how)

    expected = [own_choices(llama, prompt, set()) for prompt in PROMPTS]
    monkeypatch.setattr(llama, "forward", unmasked)
    assert find_way(llama, 0) == ways.Way(pads=False, in_stretches=False, caches=True)
    how = {"max_new_tokens": LENGTH, "temperature": 0, "end_ids": set(), "pad_id": 0}
    assert [one.token_ids for one in continue_batch(llama, PROMPTS, **how)] == expected


def test_a_model_is_tried_once(llama, monkeypatch):
    way = find_way(llama, 0)
    monkeypatch.setattr(ways, "_try_ways", None)
    assert find_way(llama, 0) == way == ways.WAYS[0]


def test_a_model_that_can_t_be_continued_is_refused_in_one_sentence_before_anything_is_answered(llama, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no kernel\nat line 3")

    monkeypatch.setattr(type(llama), "forward", broken)
    with pytest.raises(ValueError, match=r"LlamaForCausalLM can't continue a prompt .* \(no kernel\); choose a model"):
        continue_batch(llama, PROMPTS, max_new_tokens=3, temperature=0, end_ids=set(), pad_id=0)


def test_a_model_whose_logits_are_not_finite_goes_its_way(llama):
    torch.nn.init.constant_(llama.get_input_embeddings().weight, torch.nan)
    assert find_way(llama, 0) == ways.WAYS[0]
