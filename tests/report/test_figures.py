import pytest

from holdfast.report.arms import Arm, measures_of
from holdfast.report.figures import forest, heat_map, noise_curves
from tests.report.sample import by_component, full_report, suite, verify


def test_a_heat_map_has_one_cell_a_record_and_full_colour_at_the_most():
    records = by_component(3, 2, 10_000)
    for kind in ("share", "density"):
        figure = heat_map(records, kind)
        assert len(figure.cells) == len(records)
        assert max(cell.strength for cell in figure.cells) == 1.0


def test_share_and_density_differ_as_components_differ_in_size():
    records = [
        {"layer": 0, "component": "large", "selected": 30, "entries": 3000},
        {"layer": 0, "component": "small", "selected": 10, "entries": 100},
    ]
    assert [cell.label for cell in heat_map(records, "share").cells] == [".75", ".25"]
    assert [cell.label for cell in heat_map(records, "density").cells] == [".01", ".10"]


def test_an_empty_selection_is_drawn_without_colour():
    figure = heat_map([{"layer": None, "component": "a", "selected": 0, "entries": 9}], "share")
    assert [(cell.strength, cell.label) for cell in figure.cells] == [(0.0, "")]


@pytest.mark.parametrize(("num_layers", "goes_down"), [(16, False), (17, True), (30, True), (80, True)])
def test_many_layers_go_down_the_page_so_that_none_is_hidden(num_layers, goes_down):
    records = [{**one, "layer": layer} for layer in range(num_layers) for one in by_component(3, 2, 10_000)[:7]]
    figure = heat_map(records, "share")
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
    figure = heat_map(records, "share")
    assert figure.is_upright
    assert figure.height - max(row.at for row in figure.rows) > 6.3 * len("experts.gate_up_proj")
    assert not heat_map([{**one, "component": one["component"][-4:]} for one in records[:2]], "share").is_upright


def test_a_higher_rate_stands_higher_and_the_baseline_at_the_left():
    figure = noise_curves(verify(), "asr")
    assert figure is not None
    top = next(curve for curve in figure.curves if curve.method == "top")
    assert len(top.marks) == 6
    assert top.marks[-1].y < top.marks[0].y
    assert top.marks[0].x < top.marks[1].x
    assert all(mark.high <= mark.y <= mark.low for curve in figure.curves for mark in curve.marks)


def test_labels_on_the_axis_do_not_touch():
    section = verify() | {"noise_ratio": [0.1, 0.2, 0.38, 1.0, 4.0]}
    figure = noise_curves(section, "asr")
    assert figure is not None
    assert [tick.label for tick in figure.x_ticks] == ["0", "0.38", "1", "4"]


def test_a_forest_puts_the_marks_between_the_ends_of_the_axis():
    figure = forest(
        [Arm("start", "before", suite(0, 0, 0, 240, 3.0)), Arm("top", "top", suite(240, 240, 0, 0, 3.0))], "asr"
    )
    assert figure is not None
    assert [row.mark.x for row in figure.rows if row.mark] == [figure.left, figure.right]
    assert figure.start == figure.left


def test_perplexity_has_its_interval_and_an_axis_from_one():
    rate = {"value": 3.0, "low": 2.0, "high": 5.0, "n": 24, "unscored": 0}
    figure = forest([Arm("start", "before", suite(0, 0, 0, 240, 3.0) | {"perplexity_rate": rate})], "perplexity")
    mark = figure.rows[0].mark
    assert figure.left < mark.low < mark.x < mark.high <= figure.right
    assert figure.rows[0].value == "3.00 [2.00, 5.00]"
    assert figure.sizes == "n=24 · axis from 1 to 5"


def test_perplexities_near_1_have_the_decimals_that_tell_them_apart():
    found = {"before": 1.000107, "after": 1.0423}
    ends = {"before": (1.000095, 1.00012), "after": (1.0151, 1.0702)}
    rates = {name: {"value": found[name], "low": ends[name][0], "high": ends[name][1], "n": 9} for name in found}
    arms = [Arm("start", name, suite(0, 0, 0, 240, found[name]) | {"perplexity_rate": rates[name]}) for name in found]
    figure = forest(arms, "perplexity")
    assert [row.value for row in figure.rows] == ["1.0001 [1.0001, 1.0001]", "1.0423 [1.0151, 1.0702]"]
    assert figure.sizes == "n=9 · axis from 1 to 1.1"


def test_rates_near_1_stand_on_an_axis_that_shows_them_and_says_that_it_is_not_from_0():
    arms = [Arm("start", "before", suite(0, 0, 0, 240, 3.0)), Arm("top", "top", suite(0, 0, 0, 231, 3.0))]
    figure = forest(arms, "utility")
    assert figure.sizes == "n=240 · axis from 0.9 to 1, not from 0"
    # 0.9625 lies 0.375 of the way from 1 to 0.9.
    assert figure.rows[1].mark.x == pytest.approx(figure.right - 0.375 * (figure.right - figure.left))


def test_perplexity_of_an_older_report_has_no_interval_and_an_axis_from_one():
    figure = forest([Arm("start", "before", suite(0, 0, 0, 240, 3.0))], "perplexity")
    assert figure is not None
    mark = figure.rows[0].mark
    assert mark is not None
    assert mark.low == mark.high == mark.x
    assert figure.ticks[0].label == "1"
    assert figure.sizes == "axis from 1 to 3"


def test_a_measure_that_no_arm_has_is_not_drawn():
    assert forest([Arm("start", "before", suite(0, 0, 0, 240, 3.0))], "task") is None
    assert noise_curves({}, "utility") is None


@pytest.mark.parametrize("section", ["enhance", "adapt"])
def test_groups_stand_behind_their_measure(section):
    suites = [entry for entry in full_report()[section].values() if isinstance(entry, dict) and "asr" in entry]
    found = measures_of([Arm("top", "any", one) for one in suites if "perplexity" in one])
    start = found.index("asr")
    assert found[start : start + 3] == ["asr", "asr/heldout", "asr/seen"]
    assert found.index("borderline") == found.index("over_refusal") + 1
