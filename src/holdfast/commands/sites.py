"""`holdfast sites`."""

from dataclasses import asdict

from holdfast.commands.console import Json, show, table
from holdfast.commands.layers import grid_table


def sites(model: str, *, summary: bool = False, json: Json = False) -> None:
    """List a model's parameters: names, shapes, layers, components and roles. `score` scores those of role matrix.

    Example: holdfast sites testbed:aligned-moe

    Parameters
    ----------
    model
        A folder, a hub id or testbed:NAME. MODEL#NAME=VALUE sets an argument of its chat template.
    summary
        Count the weights by layer and component, in place of a row for every parameter.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.models.load import load_model
    from holdfast.models.sites import list_sites
    from holdfast.report.site_grid import MEANING, count_sites, sites_grid

    found = list_sites(load_model(model).model)
    scored = sum(site.num_entries for site in found if site.role == "matrix")
    total = sum(site.num_entries for site in found)
    title = f"{model}: {scored:,} of {total:,} entries are scored"
    result: dict[str, object] = {"model": model, "num_parameters": total, "num_scored": scored}
    if summary:
        show(result | {"by_component": count_sites(found)}, [grid_table(title, sites_grid(found), MEANING)], json)
        return
    records = [asdict(site) | {"num_matrices": site.num_matrices} for site in found]
    columns = ("parameter", "shape", "layer", "component", "role", "matrices")
    rows = [
        (s.name, "x".join(map(str, s.shape)), "" if s.layer is None else s.layer, s.component, s.role, s.num_matrices)
        for s in found
    ]
    show(result | {"sites": records}, [table(title, columns, rows)], json)
