import pytest
import torch

from holdfast.models.load import fingerprint
from holdfast.models.sites import find_scored, list_sites, scored_sites
from holdfast.records import Exchange
from holdfast.score import ResponseLikelihood, score
from holdfast.score.gradient import sum_gradients
from tests.models.unknown import make_unknown
from tests.tiny import make_llama, make_loaded, make_moe, make_tokenizer


def test_every_parameter_has_one_site():
    model = make_llama()
    assert [site.name for site in list_sites(model)] == [name for name, _ in model.named_parameters()]


def test_a_tied_head_is_listed_once_as_the_embedding():
    model = make_llama()
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert [site.role for site in list_sites(model) if site.role in ("embedding", "head")] == ["embedding"]


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


def test_an_unknown_family_works_from_structure():
    found = {site.name: (site.role, site.layer, site.component) for site in list_sites(make_unknown())}
    expected = {"words.weight": ("embedding", None, "words"), "says.weight": ("head", None, "says")}
    for layer in (0, 1):
        expected |= {
            f"tower.{layer}.scale": ("other", layer, "scale"),
            f"tower.{layer}.decides.kernel": ("router", layer, "decides.kernel"),
            f"tower.{layer}.mixes.kernel": ("matrix", layer, "mixes.kernel"),
        }
        expected |= {f"tower.{layer}.experts.{at}.kernel": ("matrix", layer, "experts.kernel") for at in range(3)}
    assert found == expected


def test_matrices_of_several_dtypes_are_summed_and_scored_in_float32():
    model, tokenizer = make_unknown(), make_tokenizer()
    objective = ResponseLikelihood(tokenizer, [Exchange("help ?", "not that ."), Exchange("clock ?", "mend")])
    names = [site.name for site in scored_sites(model)]
    assert {model.get_parameter(name).dtype for name in names} == {torch.float32, torch.bfloat16}
    sums = sum_gradients(model, names, objective, [0, 1]).sums
    entries = score(make_loaded(model, tokenizer), objective).entries
    for name in names:
        assert sums[name].dtype == entries[name].dtype == torch.float32
        expected = (sums[name] / 2).abs() * model.get_parameter(name).detach().float().std()
        assert torch.equal(entries[name], expected)


def test_a_family_without_numbered_layers_is_told_what_scoring_needs():
    with pytest.raises(ValueError, match="UnknownModel has no matrix inside numbered layers; scoring needs its layers"):
        scored_sites(make_unknown(dtypes=()))


def test_a_parameter_without_values_is_refused_by_name():
    model = make_llama()
    model.model.layers[1].mlp.to("meta")
    assert len(list_sites(model)) == len(list(model.parameters()))
    for needs_values in (scored_sites, fingerprint):
        with pytest.raises(
            ValueError, match=r"'model\.layers\.1\.mlp\.gate_proj\.weight' \(and 2 more\) is on the meta"
        ):
            needs_values(model)
