"""Routing drift: none without a change, all of it when routers are turned round, and of the model's own choices."""

import pytest
import torch

from holdfast.intervene.train.routing import router_names, routing, routing_drift
from holdfast.prompts.chat import encode_exchange
from tests.intervene.given import HARMLESS, load_tiny
from tests.models.families import EVERY, make_family
from tests.tiny import make_loaded, make_moe


@pytest.fixture
def moe(tokenizer):
    return make_loaded(make_moe(), tokenizer)


def test_a_model_that_stays_as_it_was_does_not_drift(moe):
    assert routing_drift(routing(moe, HARMLESS), routing(moe, HARMLESS)) == 0


def test_choices_are_those_of_the_model_itself(moe):
    found = routing(moe, HARMLESS[:1])
    ids = torch.tensor([encode_exchange(moe.tokenizer, HARMLESS[0].prompt, HARMLESS[0].response).token_ids])
    with torch.no_grad():
        logits = moe.model(ids, output_router_logits=True).router_logits
    for layer, own in enumerate(logits):
        assert torch.equal(own.topk(2, dim=-1).indices.sort(-1).values, found[layer])
    assert found.shape == (len(logits), ids.shape[1], 2)


def test_a_router_that_is_turned_round_drifts_where_it_is(moe):
    before, names = routing(moe, HARMLESS), router_names(moe.model)
    with torch.no_grad():
        moe.model.get_parameter(names[-1]).neg_()
    after = routing(moe, HARMLESS)
    assert torch.equal(after[:-1], before[:-1])
    assert routing_drift(before[-1:], after[-1:]) > 0.8
    assert routing_drift(before, after) == pytest.approx(routing_drift(before[-1:], after[-1:]) / len(names))


def test_padding_is_not_counted(moe):
    assert routing(moe, HARMLESS, token_budget=1).shape == routing(moe, HARMLESS).shape
    alone, together = routing(moe, HARMLESS[:1]), routing(moe, HARMLESS)
    assert together.shape[1] > alone.shape[1]


def test_a_dense_model_has_no_routing():
    loaded = load_tiny()
    assert routing(loaded, HARMLESS) is None
    assert routing_drift(None, None) is None


def test_the_model_is_given_back_without_a_hook(moe):
    moe.model.train()
    routing(moe, HARMLESS)
    assert moe.model.training
    assert not any(module._forward_pre_hooks for module in moe.model.modules())


@pytest.mark.parametrize("family", [one for one in EVERY if "router" in one.values[0].excluded])
def test_every_family_of_experts_is_read(family, tokenizer):
    loaded = make_loaded(make_family(family), tokenizer)
    found = routing(loaded, HARMLESS)
    assert found.shape[0] == len(router_names(loaded.model)) > 0
    assert found.shape[2] == 2
