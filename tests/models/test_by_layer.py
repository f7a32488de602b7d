"""Counts by layer and component: shares, densities and means, from names alone."""

import pytest

from holdfast.models.by_layer import count_by_layer, density

SHAPES = {
    "lm_head.weight": (10, 10),
    "model.layers.10.mlp.up_proj.weight": (10, 10),
    "model.layers.2.mlp.up_proj.weight": (10, 10),
    "model.layers.2.mlp.experts.0.down_proj.weight": (5, 10),
    "model.layers.2.mlp.experts.1.down_proj.weight": (5, 10),
    "model.layers.2.empty.weight": (0, 10),
}
CHOSEN = {
    "model.layers.2.mlp.up_proj.weight": 30,
    "model.layers.2.mlp.experts.0.down_proj.weight": 4,
    "model.layers.2.mlp.experts.1.down_proj.weight": 6,
}


def test_layers_come_in_order_experts_are_one_component_and_what_is_outside_comes_last():
    found = count_by_layer(SHAPES, CHOSEN)
    places = [(part.layer, part.component, part.entries, part.chosen) for part in found.parts]
    assert places == [
        (2, "mlp.up_proj", 100, 30),
        (2, "mlp.experts.down_proj", 100, 10),
        (10, "mlp.up_proj", 100, 0),
        (None, "lm_head", 100, 0),
    ]


def test_shares_add_up_and_densities_are_told_relative_to_the_whole():
    found = count_by_layer(SHAPES, CHOSEN)
    assert density(found.whole) == 40 / 400
    assert [found.share(part) for part in found.parts] == [0.75, 0.25, 0, 0]
    assert [found.relative_density(part) for part in found.parts] == pytest.approx([3, 1, 0, 0])
    assert found.records()[0] == {
        "layer": 2,
        "component": "mlp.up_proj",
        "entries": 100,
        "selected": 30,
        "share": 0.75,
        "density": 0.3,
        "relative_density": pytest.approx(3),
    }


def test_means_are_of_all_scores_but_of_changed_entries_alone():
    totals = {"model.layers.2.mlp.up_proj.weight": 6.0}
    scores = count_by_layer(SHAPES, CHOSEN, totals, mean="score")
    changes = count_by_layer(SHAPES, CHOSEN, totals, mean="change")
    assert [found.records()[0][f"mean_{found.mean}"] for found in (scores, changes)] == [6 / 100, 6 / 30]
    assert scores.records()[0]["share_of_score"] == 1
    assert changes.records()[2]["mean_change"] is None


def test_where_nothing_is_chosen_there_is_no_relative_density():
    found = count_by_layer(SHAPES, {})
    assert {found.relative_density(part) for part in found.parts} == {None}
    assert {found.share(part) for part in found.parts} == {0.0}
