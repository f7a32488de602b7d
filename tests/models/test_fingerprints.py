import torch

from holdfast.models.fingerprints import fingerprint, fingerprints_now_and_before
from tests.tiny import make_llama

NAME = "model.layers.1.mlp.up_proj.weight"
INDEX = torch.tensor([3, 40])


def test_former_values_put_back_give_the_former_fingerprint_and_leave_the_model_as_it_is():
    model = make_llama().to(torch.bfloat16)
    weights = model.get_parameter(NAME).detach().view(-1)
    former, before = weights[INDEX].clone(), fingerprint(model)
    weights[INDEX] += 1
    now, put_back = fingerprints_now_and_before(model, {NAME: INDEX}, {NAME: former})
    assert put_back == before
    assert now == fingerprint(model) != before


def test_one_bit_elsewhere_is_seen_also_where_values_compare_as_equal():
    model = make_llama()
    others = [model.get_parameter(NAME).detach(), model.model.norm.weight.detach()]
    for other in others:
        other.view(-1)[0] = 0.0
        former, before = model.get_parameter(NAME).detach().view(-1)[INDEX].clone(), fingerprint(model)
        other.view(-1)[0] = -0.0
        _, put_back = fingerprints_now_and_before(model, {NAME: INDEX}, {NAME: former})
        assert put_back != before
