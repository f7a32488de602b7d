import pytest
from transformers import GPT2Config, GPT2LMHeadModel

from holdfast.models.paths import layer_and_path, short_names
from holdfast.models.sites import list_sites
from tests.tiny import make_llama, make_moe


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.layers.3.self_attn.v_proj.weight", (3, "self_attn.v_proj")),
        ("model.layers.12.mlp.experts.down_proj", (12, "mlp.experts.down_proj")),
        ("model.layers.1.block_sparse_moe.experts.7.w1.weight", (1, "block_sparse_moe.experts.w1")),
        ("transformer.h.0.mlp.c_proj.bias", (0, "mlp.c_proj")),
        ("model.embed_tokens.weight", (None, "model.embed_tokens")),
    ],
)
def test_a_name_tells_the_layer_and_the_path_inside_it(name, expected):
    assert layer_and_path(name) == expected


def test_names_tell_what_the_model_tells():
    gpt = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=8, n_embd=8, n_layer=2, n_head=2))
    for model in (make_llama(), make_moe(), gpt):
        for site in list_sites(model):
            layer, path = layer_and_path(site.name)
            assert layer == site.layer
            assert f".{path}".endswith(f".{site.component}")


def test_short_names_are_the_fewest_last_words_that_tell_paths_apart():
    assert short_names(["self_attn.q_proj", "mlp.up_proj"]) == {"self_attn.q_proj": "q_proj", "mlp.up_proj": "up_proj"}
    assert list(short_names(["attn.c_proj", "mlp.c_proj", "mlp.c_fc"]).values()) == [
        "attn.c_proj",
        "mlp.c_proj",
        "c_fc",
    ]
    assert list(short_names(["mlp.experts.up", "mlp.shared.up", "up"]).values()) == ["experts.up", "shared.up", "up"]
    assert short_names(["mlp.experts.up"]) == {"mlp.experts.up": "experts.up"}
    assert short_names([""]) == {"": ""}
