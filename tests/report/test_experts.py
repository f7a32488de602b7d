import re

import pytest
import torch

from holdfast.models.sites import list_sites, scored_sites
from holdfast.report.experts import expert_map, expert_rows, expert_table
from holdfast.report.page import render_page
from holdfast.values import Mask
from tests.report.sample import by_expert, full_report, read, read_selection
from tests.tiny import make_llama, make_moe


@pytest.fixture(scope="module")
def moe_sites():
    return list_sites(make_moe())


def mask_of(model, chosen):
    shapes = {site.name: site.shape for site in scored_sites(model)}
    return Mask(chosen, shapes, "base", 10_000)


def test_entries_are_counted_for_the_expert_whose_slice_they_lie_in(moe_sites):
    stacked = {site.name: site for site in moe_sites if site.layout.num_experts}
    names = [name for name in stacked if ".layers.1." in name]
    assert len(names) == 2
    chosen = {}
    for name in names:
        size = stacked[name].num_entries // 4
        # The first and last entry of expert 2, and the last of expert 3.
        chosen[name] = torch.tensor([2 * size, 3 * size - 1, 4 * size - 1])
    rows = expert_rows(mask_of(make_moe(), chosen), moe_sites)
    assert [row["layer"] for row in rows] == [0, 1]
    assert [row["selected"] for row in rows] == [[0, 0, 0, 0], [0, 0, 4, 2]]
    assert rows[1]["entries"] == sum(stacked[name].num_entries for name in names) // 4


def test_a_dense_model_has_no_experts():
    llama = make_llama()
    assert expert_rows(mask_of(llama, {}), list_sites(llama)) == []
    assert expert_map(read_selection({"by_expert": []})) is None
    assert expert_map(read_selection({})) is None


def area(shade):
    return sum(int(length) for length in re.findall(r"h1v(\d+)h-1z", shade.path))


def test_every_expert_with_a_selected_entry_is_drawn_once_and_the_fullest_in_full_colour():
    records = [
        {"layer": 3, "entries": 100, "selected": [0, 8, 8, 1]},
        {"layer": 4, "entries": 100, "selected": [4, 0, 0, 0]},
    ]
    figure = expert_map(read_selection({"by_expert": records}))
    assert figure is not None
    assert [(shade.strength, area(shade)) for shade in figure.shades] == [(0.125, 1), (0.5, 1), (1.0, 2)]
    assert figure.shades[-1].path == "M0 1h1v2h-1z"
    assert figure.shades[1].path == "M1 0h1v1h-1z"
    # 8 of 100 entries, and 8 of the 21 that are selected.
    assert (figure.most, [tick.label for tick in figure.columns]) == ("0.08, 0.381 of the selection", ["3", "4"])


def test_experts_of_which_none_is_selected_are_drawn_without_colour():
    figure = expert_map(read_selection({"by_expert": [{"layer": 0, "entries": 9, "selected": [0, 0]}]}))
    assert figure is not None
    assert figure.shades == ()


def test_labels_do_not_crowd_and_the_map_does_not_widen():
    figure = expert_map(read_selection({"by_expert": by_expert(80, 128)}))
    assert figure is not None
    assert figure.width == 400
    assert len(figure.columns) <= 12
    assert len(figure.rows) <= 12


def test_the_table_shows_those_that_hold_most_or_all():
    section = {"by_expert": by_expert(3, 8), "num_selected": 10**6}
    whole = expert_table(read_selection(section))
    assert [row[:2] for row in whole.rows[:9]] == [("0", str(expert)) for expert in range(8)] + [("1", "0")]
    few = expert_table(read_selection(section), shown=5)
    assert few.title.endswith("the 5 of 24 that hold most")
    held = [int(row[2].replace(",", "")) for row in few.rows]
    assert held == sorted((count for record in section["by_expert"] for count in record["selected"]), reverse=True)[:5]
    assert expert_table(read_selection(section), shown=24) == whole


def test_share_is_of_the_whole_selection():
    section = {"by_expert": [{"layer": 0, "entries": 50, "selected": [5, 0]}], "num_selected": 20}
    assert expert_table(read_selection(section)).rows[0] == ("0", "0", "5", "50", "0.250000", "0.100000")


def test_the_page_of_a_mixture_of_experts_draws_them():
    report = full_report()
    assert "by layer and expert" not in render_page(read(report))
    report["locate"]["by_expert"] = by_expert(8, 16)
    assert 'aria-label="Density within the expert, by layer and expert"' in render_page(read(report))
