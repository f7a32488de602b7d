import pytest

from holdfast.report.figures import heat_map
from tests.report.sample import by_component, read_components


def test_a_heat_map_has_one_cell_a_record_and_full_colour_at_the_most():
    records = by_component(3, 2, 10_000)
    for kind in ("share", "relative"):
        figure = heat_map(read_components(records), kind)
        assert len(figure.cells) == len(records)
        assert max(cell.strength for cell in figure.cells) == 1.0


def test_share_and_relative_density_differ_as_components_differ_in_size():
    records = [
        {"layer": 0, "component": "large", "selected": 30, "entries": 3000},
        {"layer": 0, "component": "small", "selected": 10, "entries": 100},
    ]
    assert [cell.label for cell in heat_map(read_components(records), "share").cells] == ["75%", "25%"]
    assert [cell.label for cell in heat_map(read_components(records), "relative").cells] == ["0.8", "7.8"]


def test_small_shares_have_a_decimal_and_a_blank_cell_is_explained():
    records = [
        {"layer": at, "component": "a", "selected": count, "entries": 99} for at, count in enumerate((4, 73, 9923))
    ]
    figure = heat_map(read_components(records), "share")
    assert [cell.label for cell in figure.cells] == ["", "0.7%", "99%"]
    assert figure.meaning == "All cells add up to 100%. Large matrices hold more. A blank cell holds less than 0.05%."
    assert "blank" not in heat_map(read_components(records[1:]), "share").meaning
    assert "blank" not in heat_map(read_components(records), "relative").meaning


def test_an_empty_selection_is_drawn_without_colour():
    figure = heat_map(read_components([{"layer": None, "component": "a", "selected": 0, "entries": 9}]), "share")
    assert [(cell.strength, cell.label) for cell in figure.cells] == [(0.0, "")]


@pytest.mark.parametrize(("num_layers", "goes_down"), [(16, False), (17, True), (30, True), (80, True)])
def test_many_layers_go_down_the_page_so_that_none_is_hidden(num_layers, goes_down):
    records = [{**one, "layer": layer} for layer in range(num_layers) for one in by_component(3, 2, 10_000)[:7]]
    figure = heat_map(read_components(records), "share")
    assert (figure.width, figure.goes_down) == (400, goes_down)
    assert len(figure.rows if goes_down else figure.columns) == num_layers
    assert max(cell.x + figure.cell_width for cell in figure.cells) <= 400.01
    assert max(cell.y + figure.cell_height for cell in figure.cells) <= figure.height


def test_long_names_of_components_stand_upright_under_their_columns():
    records = [
        {"layer": layer, "component": name, "selected": 1, "entries": 9}
        for layer in range(30)
        for name in ("experts.gate_up_proj", "experts.down_proj", *(f"{letter}_proj" for letter in "qkvo"))
    ]
    figure = heat_map(read_components(records), "share")
    assert figure.is_upright
    assert figure.height - max(row.at for row in figure.rows) > 6.3 * len("experts.gate_up_proj")
    assert not heat_map(
        read_components([{**one, "component": one["component"][-4:]} for one in records[:2]]), "share"
    ).is_upright
