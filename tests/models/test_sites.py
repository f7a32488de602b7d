import pytest

from holdfast.models.sites import find_scored, list_sites, scored_sites
from tests.tiny import make_llama, make_moe


def test_every_parameter_has_one_site():
    model = make_llama()
    assert [site.name for site in list_sites(model)] == [name for name, _ in model.named_parameters()]


def test_only_matrices_of_the_layers_are_scored(llama):
    sites = scored_sites(llama)
    assert {site.component for site in sites} == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    }  # fmt: skip
    assert {site.layer for site in sites} == {0, 1}


def test_routers_are_not_scored_and_experts_are_counted_as_matrices():
    sites = {site.name: site for site in list_sites(make_moe())}
    assert sites["model.layers.0.mlp.gate.weight"].role == "router"
    assert sites["model.layers.1.mlp.experts.gate_up_proj"].num_matrices == 8
    assert sites["model.layers.1.mlp.experts.down_proj"].num_matrices == 4
    assert sites["model.layers.1.mlp.experts.down_proj"].component == "experts.down_proj"


def test_an_untied_head_is_not_scored():
    roles = {site.name: site.role for site in list_sites(make_moe())}
    assert roles["lm_head.weight"] == "head"
    assert roles["model.embed_tokens.weight"] == "embedding"


def test_an_unknown_name_is_refused(llama):
    with pytest.raises(ValueError, match="'nothing' is not a scored parameter"):
        find_scored(llama, ["nothing"])
