"""The table by layer and component: what stands in its cells, its ends and its last rows."""

from holdfast.models.by_layer import count_by_layer
from holdfast.report.layer_grid import densest, layer_grid, meaning, times

SHAPES = {
    f"model.layers.{layer}.{name}.weight": (10, 10) for layer in range(2) for name in ("self_attn.v_proj", "mlp.v_proj")
}
CHOSEN = {"model.layers.0.mlp.v_proj.weight": 30, "model.layers.1.self_attn.v_proj.weight": 10}


def test_cells_are_relative_densities_and_ends_add_up_rows_and_columns():
    grid = layer_grid(count_by_layer(SHAPES | {"lm_head.weight": (0,), "norm.weight": (100,)}, CHOSEN))
    assert grid.header == ("layer", "self_attn.v_proj", "mlp.v_proj", "all", "share", "selected")
    assert grid.rows == (
        ("0", "0.00", "3.75", "1.88", "75.0%", "30"),
        ("1", "1.25", "0.00", "0.62", "25.0%", "10"),
        ("norm", "", "", "0.00", "0.0%", "0"),
    )
    assert grid.totals == (
        ("all", "0.62", "1.88", "1.00", "100.0%", "40"),
        ("share", "25.0%", "75.0%", "", "", ""),
    )


def test_a_layer_without_a_component_has_an_empty_cell():
    shapes = {"layers.0.mixer": (2, 2), "layers.1.attention": (2, 2)}
    grid = layer_grid(count_by_layer(shapes, {"layers.0.mixer": 1}))
    assert grid.header[1:3] == ("attention", "mixer")  # whichever layer comes first
    assert [row[1:3] for row in grid.rows] == [("", "2.00"), ("0.00", "")]


def test_components_beyond_the_columns_share_the_last_and_nothing_is_lost():
    shapes = {f"layers.0.part_{name}": (10, size) for size, name in enumerate("abcde", start=1)}
    grid = layer_grid(count_by_layer(shapes, dict.fromkeys(shapes, 1)), columns=3)
    assert grid.header[1:4] == ("part_d", "part_e", "3 others")
    assert grid.totals[1][1:4] == ("20.0%", "20.0%", "60.0%")


def test_a_sentence_names_what_is_densest_and_nothing_that_is_empty():
    assert densest(count_by_layer(SHAPES, CHOSEN)) == (
        "Densest layers: 0 (1.50), 1 (0.50); densest component: mlp.v_proj (1.50)."
    )
    assert "1 (" not in densest(count_by_layer(SHAPES, {"model.layers.0.mlp.v_proj.weight": 1}))
    assert densest(count_by_layer(SHAPES, {})) == ""
    one = {"layers.0.a": (10,), "layers.1.a": (10,)}
    assert densest(count_by_layer(one, {"layers.0.a": 2})) == "Densest layers: 0 (2.00)."
    assert densest(count_by_layer({"lm_head.weight": (2,)}, {"lm_head.weight": 1})) == ""


def test_multiples_have_three_digits():
    assert [times(value) for value in (None, 0.0, 1.024, 12.34, 123.4)] == ["", "0.00", "1.02", "12.3", "123"]


def test_the_meaning_of_cells_names_what_is_counted():
    assert meaning(count_by_layer(SHAPES, CHOSEN)).startswith("Each cell says how often weights are counted there,")
    assert meaning(count_by_layer(SHAPES, CHOSEN, units="neurons")).startswith("Each cell says how often neurons ")
