"""Writes docs/results/architectures.md from the tiny models themselves: `python -m tests.models.architectures`."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import transformers

from holdfast.models.sites import Site, list_sites
from tests.models.families import FAMILIES, Family, make_family

TABLE = Path(__file__).parents[2] / "docs" / "results" / "architectures.md"
HEAD = """# Architectures

`python -m tests.models.architectures` makes this table with transformers {version}, from a tiny random model of two
layers for each family. The tests in `tests/models/` score, select, perturb, hold, save and load every one of them.
The columns count entries of the tiny models.

The column *several in one* lists the tensors that hold more than one matrix. Each of these matrices has its own
sigma. The column uses this notation:

- `8 x [24, 16]`: 8 experts with 24 outputs and 16 inputs each. If a tensor is stored the other way, inputs come
  first.
- `16 + 8 + 8`: the outputs of three matrices, one after another.
- `4 x (4 + 4 + 4)`: the outputs of three matrices, for each of 4 heads or groups of heads.

| family | entries | scored | scored components | several in one | not scored |
|---|---:|---:|---|---|---|
"""


def render() -> str:
    """The whole page."""
    return HEAD.format(version=transformers.__version__) + "".join(map(_row, FAMILIES))


def _row(family: Family) -> str:
    sites = list_sites(make_family(family))
    scored = [site for site in sites if site.role == "matrix"]
    excluded = defaultdict(list)
    for site in sites:
        if site.role != "matrix":
            excluded[site.role].append(site)
    cells = (
        family.name,
        f"{_entries(sites):,}",
        f"{_entries(scored):,}",
        _components(scored),
        _each_once(f"{site.component} {_cut(site)}" for site in scored if site.num_matrices > 1),
        "; ".join(f"{role} {_entries(of):,} ({_components(of)})" for role, of in sorted(excluded.items())),
    )
    return f"| {' | '.join(cells)} |\n"


def _cut(site: Site) -> str:
    layout = site.layout
    rows = site.shape[-2] // (max(1, layout.num_experts) if len(site.shape) == 2 else 1)
    lengths = [str(rows), str(site.shape[-1])]
    if layout.parts:
        repeats = int(lengths[layout.axis]) // sum(layout.parts)
        parts = " + ".join(map(str, layout.parts))
        lengths[layout.axis] = parts if repeats == 1 else f"{repeats} x ({parts})"
    return (f"{layout.num_experts} x " if layout.num_experts else "") + f"[{', '.join(lengths)}]"


def _entries(sites: Iterable[Site]) -> int:
    return sum(site.num_entries for site in sites)


def _components(sites: Iterable[Site]) -> str:
    return _each_once(site.component for site in sites)


def _each_once(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


if __name__ == "__main__":
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(render(), encoding="utf-8")
