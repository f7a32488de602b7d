"""Restriction to layers and components: which entries may be selected, while the budget stays that of the whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.models.sites import list_sites
from holdfast.select import (
    BottomOptions,
    RandomOptions,
    SetDifferenceOptions,
    ThresholdOptions,
    TopOptions,
    select_bottom,
    select_random,
    select_safety_only,
    select_threshold,
    select_top,
)
from holdfast.select.universe import PartOptions, part_of
from holdfast.values import Scores
from tests.select.given import MODEL_TENSORS, is_arbitrary, make_model_scores, selected_entries, sorted_entries
from tests.tiny import make_moe

PARTS = st.tuples(
    st.sampled_from([(), (0,), (1,), (0, 1)]),
    st.sampled_from([(), ("v_proj",), ("mlp",), ("experts.down_proj",), ("v_proj", "gate_proj"), ("mlp.experts",)]),
)
BLOCKS = {  # what each of those names covers, by hand
    "v_proj": {"self_attn.v_proj.weight"},
    "gate_proj": {"mlp.gate_proj.weight"},
    "mlp": {"mlp.gate_proj.weight", "mlp.experts.down_proj"},
    "mlp.experts": {"mlp.experts.down_proj"},
    "experts.down_proj": {"mlp.experts.down_proj"},
}


def names_of(layers, components):
    """Names of the parameters that a part is made of."""
    sites = set().union(*(BLOCKS[component] for component in components or BLOCKS))
    return {f"model.layers.{layer}.{site}" for layer in layers or (0, 1) for site in sites}


def seeded_scores(seed=0):
    return make_model_scores(torch.rand(6, 4, generator=torch.Generator().manual_seed(seed)).tolist())


@settings(deadline=None, max_examples=40)
@given(tensors=MODEL_TENSORS, part=PARTS, largest=st.booleans(), num_selected=st.integers(1, 23))
def test_a_restricted_ranking_equals_a_sort_of_the_entries_that_are_left(tensors, part, largest, num_selected):
    scores, (layers, components) = make_model_scores(tensors), part
    names, fraction = names_of(layers, components), num_selected / 24
    allowed = [entry for entry in sorted_entries(scores, largest) if entry[0] in names]
    select, options = (select_top, TopOptions) if largest else (select_bottom, BottomOptions)
    restricted = options(fraction=fraction, layers=layers, components=components)
    if num_selected > len(allowed):
        with pytest.raises(ValueError, match=f"cannot select {num_selected} of the {len(allowed)} entries"):
            select(scores, restricted)
        return
    if largest and is_arbitrary(scores, allowed, num_selected):
        with pytest.raises(ValueError, match="would pick zeros arbitrarily"):
            select(scores, restricted)
        return
    mask = select(scores, restricted)
    assert selected_entries(mask) == set(allowed[:num_selected])
    assert dict(mask.shapes) == scores.shapes
    assert mask.density == fraction


def test_safety_only_keeps_to_the_part_and_passes_over_what_is_utility_critical_in_the_whole():
    scores, utility = seeded_scores(0), seeded_scores(1)
    critical = select_top(utility, TopOptions(fraction=0.5))
    options = SetDifferenceOptions(fraction=1 / 24, utility_fraction=0.5, layers=(1,))
    allowed = [
        entry
        for entry in sorted_entries(scores, largest=True)
        if ".layers.1." in entry[0] and entry not in selected_entries(critical)
    ]
    assert selected_entries(select_safety_only(scores, utility, options)) == {allowed[0]}
    too_many = SetDifferenceOptions(fraction=0.49, utility_fraction=0.5, layers=(1,))
    with pytest.raises(ValueError, match=f"cannot select 12 of the {len(allowed)} entries"):
        select_safety_only(scores, utility, too_many)


@pytest.mark.parametrize("per_tensor", [False, True])
def test_random_entries_keep_to_the_part_and_to_the_budget_of_the_whole(per_tensor):
    options = RandomOptions(fraction=0.25, layers=(1,), components=("mlp",), per_tensor=per_tensor)
    mask = select_random(seeded_scores(), options)
    assert len(mask) == 6
    assert set(mask.indices) <= names_of((1,), ("mlp",))
    with pytest.raises(ValueError, match="cannot select 12 of the 8 entries"):
        select_random(seeded_scores(), options.model_copy(update={"fraction": 0.5}))


def test_a_threshold_takes_only_entries_of_the_part():
    scores = seeded_scores()
    mask = select_threshold(scores, ThresholdOptions(threshold=0.5, components=("v_proj",)))
    expected = {
        name: (scores.entries[name].flatten() >= 0.5).nonzero().flatten().tolist() for name in names_of((), ("v_proj",))
    }
    assert {name: index.tolist() for name, index in mask.indices.items()} == {k: v for k, v in expected.items() if v}
    assert dict(mask.shapes) == scores.shapes


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"layers": (0, 7)}, "no scored parameter lies in layer 7; there are 0, 1."),
        (
            {"components": ("lm_head",)},
            "component 'lm_head'; there are down_proj, experts, gate_proj, mlp, self_attn, v_proj.",
        ),
        ({"components": ("weight",)}, "no scored parameter lies in component 'weight'"),
        ({"components": ("v_pro",)}, "no scored parameter lies in component 'v_pro'"),
    ],
)
def test_a_layer_or_component_that_does_not_occur_is_refused_with_those_that_do(part, sentence):
    with pytest.raises(ValueError, match=r"no scored parameter") as caught:
        select_top(seeded_scores(), TopOptions(fraction=0.1, **part))
    assert sentence in str(caught.value)


def test_layers_and_components_that_never_meet_are_refused():
    entries = {
        "model.layers.0.mlp.up_proj.weight": torch.ones(2),
        "model.layers.1.self_attn.v_proj.weight": torch.ones(2),
    }
    with pytest.raises(ValueError, match="both in layers 0 and in components v_proj"):
        part_of(Scores(entries, "unit", "base", 4), PartOptions(layers=(0,), components=("v_proj",)))


def test_components_of_the_report_name_the_same_parameters_of_a_model():
    sites = [site for site in list_sites(make_moe()) if site.role == "matrix"]
    scores = Scores({site.name: torch.ones(site.shape) for site in sites}, "unit", "base", 1)
    for component in {site.component for site in sites}:
        part = part_of(scores, PartOptions(components=(component,), layers=(1,)))
        assert set(part.entries) == {site.name for site in sites if (site.component, site.layer) == (component, 1)}


def test_layers_in_a_row_are_listed_by_their_ends():
    scores = Scores({f"layers.{layer}.a": torch.ones(2, 2) for layer in (0, 1, 2, 3, 7, 8)}, "unit", "base", 24)
    with pytest.raises(ValueError, match="lies in layer 9; there are 0 to 3, 7, 8"):
        part_of(scores, PartOptions(layers=(9,)))
