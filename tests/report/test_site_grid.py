"""Counts of a model's weights by layer and component."""

from holdfast.models.sites import list_sites
from holdfast.report.site_grid import count_sites, rounded, sites_grid
from tests.tiny import make_llama, make_moe


def test_alike_layers_share_a_row_and_totals_are_those_of_the_model():
    for make in (make_llama, make_moe):
        model = make()
        sites = list_sites(model)
        grid, records = sites_grid(sites), count_sites(sites)
        num_layers = model.config.num_hidden_layers
        assert grid.rows[0][0] == f"0 to {num_layers - 1}"
        assert grid.header[-2:] == ("scored", "not scored")
        scored = sum(site.num_entries for site in sites if site.role == "matrix")
        assert grid.totals[0][-2] == f"{scored:,}"
        assert sum(record["entries"] for record in records) == sum(weight.numel() for weight in model.parameters())
        assert sum(record["entries"] for record in records if record["scored"]) == scored


def test_layers_that_differ_have_rows_of_their_own():
    sites = [site for site in list_sites(make_llama()) if site.name != "model.layers.1.mlp.up_proj.weight"]
    assert [row[0] for row in sites_grid(sites).rows[:2]] == ["0", "1"]


def test_large_counts_are_rounded_to_three_digits():
    numbers = (0, 999_999, 1_000_000, 26_542_080, 134_515_008, 6_979_321_856)
    assert [rounded(number) for number in numbers] == ["0", "999,999", "1.00M", "26.5M", "135M", "6.98B"]
