from collections import defaultdict
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils import logging as transformers_logging

from holdfast.intervene.edit.perturb import perturbed
from holdfast.intervene.hold.protect import protect
from holdfast.models.layout import sigma
from holdfast.models.load import fingerprint, load_model
from holdfast.models.sites import list_sites, scored_sites
from holdfast.records import Exchange
from holdfast.score import ResponseLikelihood, score
from holdfast.select import TopOptions, select_top
from tests.intervene.given import as_booleans, bits, equal_bits, loss_of, random_mask
from tests.models.families import EVERY, FAMILIES, SMALL, make_family, make_with_tower
from tests.tiny import make_loaded, make_tokenizer

EXCHANGES = [
    Exchange("how do i mend the old clock ?", "sorry , i can not help with that ."),
    Exchange("naïve café ?", "safe"),
]
BY_NAME = {family.name: family for family in FAMILIES}
every_family = pytest.mark.parametrize("family", EVERY)


@pytest.fixture(autouse=True)
def no_notices():
    """Tiny configs are odd in ways that transformers remarks on."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    yield
    transformers_logging.set_verbosity(verbosity)


def score_tiny(model):
    tokenizer = make_tokenizer()
    loaded = make_loaded(model, tokenizer)
    return score(loaded, ResponseLikelihood(tokenizer, EXCHANGES))


@every_family
def test_every_parameter_has_one_site_and_the_role_and_component_that_are_expected(family):
    model = make_family(family)
    sites = list_sites(model)
    assert [site.name for site in sites] == [name for name, _ in model.named_parameters()]
    components = defaultdict(set)
    for site in sites:
        components[site.role].add(site.component)
    excluded = {role: set(words.split()) for role, words in family.excluded.items()}
    assert components == excluded | {"matrix": set(family.matrices)}
    assert {site.component: site.num_matrices for site in sites if site.role == "matrix"} == dict(family.matrices)
    scored = [(site.layer, site.component) for site in sites if site.role == "matrix"]
    assert len(set(scored)) == len(scored)  # no component merges two parameters of a layer
    assert {layer for layer, _ in scored} == {0, 1}


@every_family
def test_all_matrices_are_scored_and_the_top_is_exact(family):
    model = make_family(family)
    before = bits(model)
    scores = score_tiny(model)
    assert equal_bits(before, bits(model))
    for site in scored_sites(model):
        entries = scores.entries[site.name]
        assert tuple(entries.shape) == site.shape
        assert bool(entries.isfinite().all())
        assert bool(entries.any())
    assert sorted(scores.entries) == sorted(site.name for site in scored_sites(model))
    mask = select_top(scores, TopOptions(fraction=0.01))
    chosen = torch.cat([scores.entries[name].flatten()[index] for name, index in mask.indices.items()])
    ranked = torch.cat([entries.flatten() for entries in scores.entries.values()]).sort(descending=True).values
    assert len(mask) == round(0.01 * scores.num_entries)
    assert torch.equal(chosen.sort(descending=True).values, ranked[: len(mask)])


@every_family
def test_noise_has_the_sigma_of_each_matrix_touches_the_selection_only_and_goes_again(family):
    model = make_family(family)
    mask, start = random_mask(model), bits(model)
    with perturbed(model, mask, 0.5, torch.Generator().manual_seed(1)):
        noisy = bits(model)
    assert equal_bits(start, bits(model))
    layouts = {site.name: site.layout for site in scored_sites(model)}
    generator = torch.Generator().manual_seed(1)
    for name, index in mask.indices.items():
        sigmas = sigma(start[name], layouts[name]).expand(start[name].shape).flatten()[index]
        expected = start[name].flatten()[index] + torch.randn(len(index), generator=generator) * sigmas * 0.5
        assert torch.equal(noisy[name].flatten()[index], expected)
        start[name].view(-1)[index] = expected
    assert equal_bits(start, noisy)


@every_family
def test_protected_entries_of_it_keep_every_bit_in_training(family):
    model = make_family(family)
    mask, start = random_mask(model), bits(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    with protect(optimizer, mask, model):
        loss_of(model, step=0).backward()
        optimizer.step()
    for name in mask.indices:
        chosen = as_booleans(mask, name, start[name].shape)
        trained = model.get_parameter(name).detach()
        assert torch.equal(trained[chosen], start[name][chosen])
        assert not torch.equal(trained[~chosen], start[name][~chosen])


@every_family
def test_saved_and_loaded_it_is_the_same_base_with_the_same_sites(family, tmp_path):
    model = make_family(family)
    model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), device="cpu")
    assert loaded.base == fingerprint(model)
    assert list_sites(loaded.model) == list_sites(model)


# How each family's own code cuts a tensor into the matrices that it uses.
CUTS = {
    ("phi3", "qkv_proj"): lambda whole: whole.split([16, 8, 8]),
    ("phi3", "gate_up_proj"): lambda whole: whole.chunk(2),
    ("gpt2", "attn.c_attn"): lambda whole: whole.chunk(3, dim=1),
    ("gpt_neox", "query_key_value"): lambda whole: whole.view(4, 3, 4, 16).unbind(1),
    ("falcon", "query_key_value"): lambda whole: whole.view(2, 4, 4, 16).split([2, 1, 1], dim=1),
    ("mixtral", "experts.gate_up_proj"): lambda whole: [half for expert in whole for half in expert.chunk(2)],
    ("mixtral", "experts.down_proj"): lambda whole: whole.unbind(),
    ("granitemoeshared", "input_linear"): lambda whole: whole.chunk(2),
    ("deepseek_v3", "kv_a_proj_with_mqa"): lambda whole: whole.split([8, 4]),
    ("deepseek_v3", "kv_b_proj"): lambda whole: whole.view(4, 11, 8).split([6, 5], dim=1),
    ("gpt_oss", "experts.gate_up_proj"): lambda whole: [part[:, at::2] for part in whole for at in (0, 1)],
    ("gpt_oss", "experts.down_proj"): lambda whole: whole.unbind(),
    ("llama4_text", "experts.gate_up_proj"): lambda whole: [half for part in whole for half in part.chunk(2, dim=1)],
    ("dbrx", "Wqkv"): lambda whole: whole.split([16, 8, 8]),
    ("dbrx", "mlp.w1"): lambda whole: whole.view(8, 12, 16).unbind(),
    ("jetmoe", "kv_proj"): lambda whole: whole.chunk(2),
    ("jetmoe", "mlp.input_linear"): lambda whole: [half for expert in whole for half in expert.chunk(2)],
    ("jetmoe", "experts.input_linear"): lambda whole: whole.unbind(),
}


@pytest.mark.parametrize(("name", "component"), CUTS)
def test_sigma_is_that_of_the_matrices_into_which_the_family_cuts_its_tensor(name, component):
    site = next(site for site in scored_sites(make_family(BY_NAME[name])) if site.component == component)
    weight = torch.randn(site.shape, generator=torch.Generator().manual_seed(0))
    places = CUTS[name, component](torch.arange(weight.numel()).view(site.shape))
    assert len(places) == site.num_matrices
    found = sigma(weight, site.layout).expand(weight.shape)
    for place in places:
        matrix = weight.flatten()[place.flatten()]
        # float32 sums in another order
        torch.testing.assert_close(
            found.flatten()[place.flatten()], matrix.std().expand(matrix.shape), rtol=1e-5, atol=0
        )


def test_a_model_stored_fused_and_stored_split_gets_the_same_scores():
    """Phi-3 is Llama with q, k and v in one tensor, and gate and up in another."""
    config = SMALL | {"rms_norm_eps": 1e-6}
    fused, split = (make_family(replace(BY_NAME[name], config=config)) for name in ("phi3", "llama"))
    parts = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}

    def joined(name, tensors):
        whole = next((whole for whole in parts if whole in name), None)
        return torch.cat([tensors[name.replace(whole, part)] for part in parts[whole]]) if whole else tensors[name]

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for order, weight in enumerate(split.parameters()):
            weight.normal_(std=0.02 * (1 + order % 5), generator=generator)
    fused.load_state_dict({name: joined(name, split.state_dict()) for name in fused.state_dict()})
    scores, expected = score_tiny(fused), score_tiny(split)
    for name, entries in scores.entries.items():
        # float32 gradients in another order: off by some 1e-7 of the largest
        atol = 1e-5 * float(entries.max())
        torch.testing.assert_close(entries, joined(name, expected.entries), rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("name", "layers", "depth"),
    [
        ("git", "git.encoder.layer.", 6),  # its vision tower is deeper, and nothing marks the language model
        ("modernbert-decoder", "model.layers.", 22),  # gives a part of its head as the decoder
        ("longcat_flash", "model.layers.", 28),  # two attentions a layer, which the config counts as layers
    ],
)
def test_layers_are_found_where_a_family_is_built_otherwise(name, layers, depth):
    with torch.device("meta"):
        sites = list_sites(AutoModelForCausalLM.from_config(CONFIG_MAPPING[name]()))
    scored = [site for site in sites if site.role == "matrix"]
    assert all(site.name.startswith(layers) for site in scored)
    assert {site.layer for site in scored} == set(range(depth))


def test_a_router_that_weighs_shared_experts_beside_the_routed_is_found():
    with torch.device("meta"):
        sites = list_sites(AutoModelForCausalLM.from_config(CONFIG_MAPPING["inkling_text"]()))
    assert {site.component for site in sites if site.role == "router"} == {"gate"}


def test_experts_whose_router_is_not_found_are_refused():
    """Zaya's is a network of its own."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(CONFIG_MAPPING["zaya"]())
    with pytest.raises(ValueError, match=r"no router was found for the experts of 'model\.layers\.0\.mlp\.experts'"):
        scored_sites(model)


def test_a_vision_tower_is_not_scored_however_large_it_is():
    model = make_with_tower()
    scored = scored_sites(model)
    assert all(site.name.startswith("model.language_model.layers.") for site in scored)
    assert {site.layer for site in scored} == set(range(SMALL["num_hidden_layers"]))
    towers = {site.role for site in list_sites(model) if ".vision_tower." in site.name}
    assert towers == {"other", "norm", "bias", "embedding"}
