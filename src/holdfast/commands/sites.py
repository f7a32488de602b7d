"""`holdfast sites`."""

from dataclasses import asdict

from holdfast.commands.console import Json, show, table
from holdfast.commands.layers import grid_table


def sites(model: str, *, summary: bool = False, json: Json = False) -> None:
    """List a model's parameters, and print its fingerprint. `score` scores the parameters of role matrix.

    Masks, patches and evaluations name their model by that fingerprint, and `compare --after-fingerprint` takes it.

    Example: holdfast sites testbed:aligned-moe

    Parameters
    ----------
    model
        A folder, a hub id or testbed:NAME. MODEL#NAME=VALUE sets an argument of its chat template.
    summary
        Count the weights by layer and component, in place of one row per parameter.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.models.load import load_model
    from holdfast.models.sites import list_sites
    from holdfast.report.site_grid import MEANING, count_sites, sites_grid

    loaded = load_model(model)
    all_sites = list_sites(loaded.model)
    scored = sum(site.num_entries for site in all_sites if site.role == "matrix")
    total = sum(site.num_entries for site in all_sites)
    title = f"{model}: {scored:,} of {total:,} entries are scored"
    counts = {"num_parameters": total, "num_scored": scored}
    result: dict[str, object] = {"model": model, "fingerprint": loaded.base, **counts}
    note = f"Fingerprint: {loaded.base}"
    if summary:
        show(
            result | {"by_component": count_sites(all_sites)},
            [grid_table(title, sites_grid(all_sites), MEANING)],
            json,
            note,
        )
        return
    records = [asdict(site) | {"num_matrices": site.num_matrices} for site in all_sites]
    columns = ("parameter", "shape", "layer", "component", "role", "matrices")
    rows = [
        (
            site.name,
            "x".join(map(str, site.shape)),
            "" if site.layer is None else site.layer,
            site.component,
            site.role,
            site.num_matrices,
        )
        for site in all_sites
    ]
    show(result | {"sites": records}, [table(title, columns, rows)], json, note)
