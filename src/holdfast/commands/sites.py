"""`holdfast sites`."""

from dataclasses import asdict

from holdfast.commands.console import Json, show, table


def sites(model: str, *, json: Json = False) -> None:
    """List a model's parameters: names, shapes, layers, components and roles. `score` scores those of role matrix.

    Example: holdfast sites testbed:aligned-moe

    Parameters
    ----------
    model
        A folder, a hub id or testbed:NAME. MODEL#NAME=VALUE sets an argument of its chat template.
    json
        Print one JSON object in place of tables.
    """
    from holdfast.models.load import load_model
    from holdfast.models.sites import list_sites

    found = list_sites(load_model(model).model)
    scored = sum(site.num_entries for site in found if site.role == "matrix")
    total = sum(site.num_entries for site in found)
    records = [asdict(site) | {"num_matrices": site.num_matrices} for site in found]
    result = {"model": model, "num_parameters": total, "num_scored": scored, "sites": records}
    columns = ("parameter", "shape", "layer", "component", "role", "matrices")
    rows = [
        (s.name, "x".join(map(str, s.shape)), "" if s.layer is None else s.layer, s.component, s.role, s.num_matrices)
        for s in found
    ]
    show(result, [table(f"{model}: {scored:,} of {total:,} entries are scored", columns, rows)], json)
