"""Writes docs/results/real_models.md from the JSON cells that the experiments left in benchmarks/real/results.

    PYTHONPATH=src:. python benchmarks/real/page.py

Rates over several seeds or draws have an interval for both, other prompts and other draws
(`holdfast.evaluate.pooled`). Differences are paired by prompt and seed, with the same two sources of variance.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, variance

import torch
from torch import Tensor

from holdfast.artifacts import save_text
from holdfast.evaluate.pooled import pool_rates, quantile_of_draws, shared_variance
from holdfast.evaluate.statistics import Z_95
from holdfast.outcomes import Rate

HERE = Path(__file__).parent
RESULTS, WORDS, PAGE = HERE / "results", HERE / "real_models.md", HERE.parents[1] / "docs/results/real_models.md"
SETS = {"refusal/jailbreakbench": "JailbreakBench", "refusal/harmbench_behaviors_text_all": "HarmBench"}

CHANGED = {
    "both_other": ("other harmful prompts", "those prompts' own"),
    "shuffled": ("the same", "the same, each after another prompt"),
    "other_prompts": ("other harmful prompts", "the same"),
    "other_refusals": ("the same", "those of the other harmful prompts"),
    "harmless": ("harmless prompts", "the same"),
    "harmless_other": ("harmless prompts", "those of the other harmful prompts"),
}
"""Prompts and refusals of each mask that `wording.py` compares with the first."""
MANY_TIMES = 10
"""Ratio of perplexities from which percents are hard to read."""
Cell = Mapping
"""The JSON of one cell."""


def load_cells(experiment: str) -> list[Cell]:
    """Every cell of an experiment that has a file, in the order of their names."""
    return [json.loads(path.read_text()) for path in sorted((RESULTS / experiment).glob("*.json"))]


def setting(cell: Cell, names: Sequence[str]) -> tuple | None:
    """What a cell was run with; None for the untouched model."""
    return tuple(cell["cell"][name] for name in names) if "cell" in cell else None


def grouped(cells: Iterable[Cell], names: Sequence[str]) -> dict[tuple | None, list[Cell]]:
    """Cells that differ in their seed or draw alone."""
    found = defaultdict(list)
    for cell in cells:
        found[setting(cell, names)].append(cell)
    return dict(found)


def counted(cell: Cell, kind: str, letter: str = "r") -> list[float]:
    """1 for every answer of a kind that counts, in the order of the prompts."""
    return [float(one == letter) for one in cell["outcomes"][kind]]


def by_prompt(cells: Sequence[Cell], kind: str) -> Tensor:
    """Refusals, a row a prompt and a column a seed."""
    return torch.tensor([counted(cell, kind) for cell in cells], dtype=torch.float64).T


def pooled(cells: Sequence[Cell], name: str, kind: str | None = None) -> Rate:
    """The rate of that name over all cells; `kind` names the answers that it counts, where they are kept."""
    rates = [Rate(**cell["rates"][name]) for cell in cells]
    return pool_rates(rates, by_prompt(cells, kind) if kind else None)


def difference(first: Sequence[Cell], second: Sequence[Cell], kind: str) -> tuple[float, float, float]:
    """The mean of first minus second over the same prompts and seeds, with its 95% interval."""
    gaps = by_prompt(first, kind) - by_prompt(second, kind)
    mean, seeds = float(gaps.mean()), gaps.shape[1]
    if seeds == 1:
        margin = Z_95 * math.sqrt(float(gaps.var()) / len(gaps))
        return mean, mean - margin, mean + margin
    of_prompts = shared_variance(gaps) / len(gaps)
    of_seeds = variance([float(gaps[:, seed].mean()) for seed in range(seeds)]) / seeds
    total = of_prompts + of_seeds
    margin = quantile_of_draws(of_seeds, total, seeds) * math.sqrt(total)
    return mean, mean - margin, mean + margin


def shown(rate: Rate | None) -> str:
    """A rate as a table shows it."""
    if rate is None or rate.value is None:
        return "not measured"
    return ranged(rate.value, rate.low, rate.high)


def ranged(value: float, low: float | None, high: float | None) -> str:
    """A number from 0 to 1 with its interval, as a table shows it."""
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def surprise(cells: Sequence[Cell], start: Cell) -> str:
    """Perplexity over that of the untouched model, in percent or as a factor, as the mean over cells."""
    ratios = [cell["perplexity"]["value"] / start["perplexity"]["value"] for cell in cells if cell["perplexity"]]
    if not ratios:
        return "not measured"
    mean = fmean(ratios)
    return f"{100 * (mean - 1):+.1f}%" if mean < MANY_TIMES else f"{mean:,.0f} times"


def reworded(cells: Sequence[Cell]) -> str:
    """The rate of refusals of harmful prompts that are worded like the safe ones, over the cells that measured it."""
    measured = [cell["contrast"] for cell in cells if "contrast" in cell]
    if not measured:
        return "not measured"
    some = f" ({len(measured)} of {len(cells)} runs)" if len(measured) < len(cells) else ""
    return shown(pooled(measured, "refusal/harmful", "refusal")) + some


def row(label: Sequence[str], cells: Sequence[Cell], start: Cell) -> list[str]:
    """One line of a table: what is measured of every experiment."""
    harmful = [name for name in SETS if name in cells[0]["rates"]]
    return [
        *label,
        str(len(cells)),
        shown(pooled(cells, "refusal/harmful", "refusal")),
        *(shown(pooled(cells, name)) for name in harmful),
        *([reworded(cells)] if "contrast" in start else []),
        shown(pooled(cells, "borderline", "borderline")),
        surprise(cells, start),
        shown(pooled(cells, "degenerate/all")),
    ]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def table(experiment: str, names: Sequence[str], labels: Sequence[str]) -> str:
    """The table of one experiment, the untouched model first."""
    groups = grouped(load_cells(experiment), names)
    if None not in groups:
        return "not run\n"
    (start,) = groups.pop(None)
    harmful = [words for name, words in SETS.items() if name in start["rates"]]
    harmful += ["XSTest, unsafe"] if "contrast" in start else []
    header = [*labels, "runs", "refuses harmful", *harmful, "over-refusal (XSTest, safe)", "perplexity", "broken"]
    rows = [row(["untouched", *[""] * (len(names) - 1)], [start], start)]
    rows += [row([f"{one:g}" if isinstance(one, float) else str(one) for one in key or ()], groups[key], start)
             for key in sorted(groups, key=order)]  # fmt: skip
    return markdown(header, rows)


def order(key: tuple | None) -> tuple:
    """Shares first, then strengths, then masks."""
    return (*key[1:], key[0]) if key else ()


def differences(experiment: str, names: Sequence[str], first: str, second: str) -> str:
    """Paired differences of two masks, wherever both were run with the same seeds."""
    groups = grouped(load_cells(experiment), names)
    rows = []
    for key in sorted((key for key in groups if key and key[0] == first), key=order):
        pairs = matched(groups[key], groups.get((second, *key[1:]), []))
        if pairs:
            mine, theirs = zip(*pairs, strict=True)
            cells = (interval(difference(mine, theirs, kind)) for kind in ("refusal", "borderline"))
            rows.append([*(f"{one:g}" for one in key[1:]), str(len(pairs)), *cells])
    header = [*names[1:], "pairs", f"harmful: {first} minus {second}", f"over-refusal: {first} minus {second}"]
    return markdown(header, rows) if rows else "not run\n"


def matched(first: Sequence[Cell], second: Sequence[Cell]) -> list[tuple[Cell, Cell]]:
    """Cells of the same seed or draw."""
    others = {draw_of(cell): cell for cell in second}
    return [(cell, others[draw_of(cell)]) for cell in first if draw_of(cell) in others]


def draw_of(cell: Cell) -> int:
    """The seed of a tuning, or the draw of noise."""
    return cell["cell"].get("seed", cell["cell"].get("draw"))


def interval(found: tuple[float, float, float]) -> str:
    """A difference as a table shows it."""
    mean, low, high = found
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"


def restored() -> str:
    """Writes what `restore` brings back: rates, and the share of the lost refusals."""
    cells = {(cell["cell"]["selector"], cell["cell"]["fraction"]): cell for cell in load_cells("restore")}
    if ("tuned", 0.0) not in cells:
        return "not run\n"
    aligned, tuned = (cells[name, 0.0]["rates"]["refusal/harmful"]["value"] for name in ("aligned", "tuned"))
    rows = []
    for (selector, fraction), cell in sorted(cells.items(), key=lambda one: (one[0][1], one[0][0])):
        rates = {name: Rate(**rate) for name, rate in cell["rates"].items()}
        names = ("refusal/harmful", "borderline", "task", "utility")
        back = "" if not fraction else f"{(rates['refusal/harmful'].value - tuned) / (aligned - tuned):.2f}"
        weights = f"{cell['restored']:,}" if fraction else ""
        rows.append([selector, f"{fraction:g}" if fraction else "", weights, *(shown(rates[name]) for name in names),
                     back])  # fmt: skip
    header = ["model", "share", "weights put back", "refuses harmful", "refuses borderline", "task", "utility",
              "lost refusals back"]  # fmt: skip
    return markdown(header, rows)


def with_borderline() -> str:
    """Writes what borderline exchanges beside the mixed refusals change, paired by prompt and seed."""
    groups = grouped(load_cells("preserve"), ("method", "share", "rate"))
    pairs = matched(groups["mixed_borderline", 0.0, 3e-5], groups["mixed", 0.0, 3e-5])
    mine, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    rows = [[str(len(pairs)), *(interval(difference(mine, theirs, kind)) for kind in ("refusal", "borderline"))]]
    return markdown(["seeds", "refuses harmful", "refuses borderline"], rows)


def preserved(name: str = "preserve") -> str:
    """Writes what every method of fine-tuning preserves: means over seeds, and refusals beside plain fine-tuning."""
    groups = grouped(load_cells(name), ("method", "share", "rate"))
    rates = sorted({key[2] for key in groups if key})
    rows = []
    for key in sorted((key for key in groups if key), key=lambda key: (rates.index(key[2]), key[1], key[0])):
        cells, plain = groups[key], groups.get(("plain", 0.0, key[2]), [])
        names = ("refusal/harmful", "borderline", "over_refusal/questions", "task", "utility")
        means = [f"{fmean(cell['rates'][name]['value'] for cell in cells):.2f}" for name in names]
        perplexity = f"{fmean(cell['rates']['perplexity']['value'] for cell in cells):.1f}"
        pairs = matched(cells, plain) if key[0] != "plain" else []
        mine, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
        beside = interval(difference(mine, theirs, "refusal")) if pairs else ""
        share = f"{key[1]:.1%}" if key[1] else ""
        rows.append([key[0], share, f"{key[2]:g}", str(len(cells)), *means, perplexity, beside])
    header = ["method", "held", "rate", "seeds", "refuses harmful", "refuses borderline", "refuses questions", "task",
              "utility", "perplexity", "refusals beside plain"]  # fmt: skip
    return markdown(header, rows) if rows else "not run\n"


WAYS = {
    "refusal_likelihood": "ESI of refusals (refusal_likelihood)",
    "policy_gradient": "ESI of own answers, refusal rules as judge (policy_gradient)",
    "harmless_likelihood": "ESI of harmless answers (control)",
    "gradient_magnitude": "gradient magnitude, refusals",
    "snip": "SNIP, refusals",
    "wanda": "Wanda, refusals",
    "magnitude": "magnitude (control)",
    "random": "random (control)",
}
"""Ways of scoring in the order of the tables, in words."""
MLP = ("gate_proj", "up_proj", "down_proj")
COMPONENTS = ("v_proj", "o_proj", "k_proj", "q_proj", *MLP)


def located() -> str:
    """Writes where the top 1% of every way of scoring lies."""
    cells = {cell["name"]: cell for cell in load_cells("where") if "name" in cell}
    rows = []
    for name in (name for name in WAYS if name in cells):
        layers, components = cells[name]["layers"], cells[name]["components"]
        of_thirds = (f"{share_of_layers(layers, third):.0%}" for third in range(3))
        selected, scored = (sum(one[place] for one in components.values()) for place in (0, 1))
        dense = (f"{components[one][0] / components[one][1] / (selected / scored):.1f}" for one in COMPONENTS)
        mlp = f"{sum(components[one][0] for one in MLP) / selected:.0%}"
        halves = cells[name]["halves"]["iou"]
        rows.append([WAYS[name], *of_thirds, mlp, *dense, f"{halves:.2f}"])
    header = ["scored by", "first third of layers", "middle", "last", "in MLPs", *COMPONENTS, "halves' IoU"]
    return markdown(header, rows) if rows else "not run\n"


def share_of_layers(layers: Mapping[str, Sequence[int]], third: int) -> float:
    """The share of the selected weights in a third of the layers: 0 is the first one."""
    count = len(layers)
    inside = range(third * count // 3, (third + 1) * count // 3)
    return sum(layers[str(layer)][0] for layer in inside) / sum(one[0] for one in layers.values())


def overlapping() -> str:
    """Writes the IoU of every two selections, with its interval over parameters."""
    pairs = {}
    for cell in load_cells("where"):
        pairs |= {frozenset(one["pair"]): one for one in cell.get("pairs", ())}
    names = [name for name in WAYS if any(name in pair for pair in pairs) and name != "random"]
    rows = []
    for place, name in enumerate(names[:-1]):
        found = [pairs.get(frozenset((name, other))) for other in names[1:]]
        cells = [
            ranged(one["iou"], one["low"], one["high"]) if one and column >= place else ""
            for column, one in enumerate(found)
        ]
        rows.append([name, *cells])
    return markdown(["IoU", *names[1:]], rows) if rows else "not run\n"


def predicted() -> str:
    """Writes how far every way of scoring ranks layers x components as noise on them does."""
    rows = [
        [cell["model"], WAYS.get(one["method"], "ESI of refusals"), *correlations(cell["rows"], one["method"])]
        for cell in load_cells("predict")
        for one in cell["rows"]
        if one["exchanges"] == "seen"
    ]
    header = ["model", "scored by", "groups", "rank correlation, the scored refusals", "other refusals"]
    return markdown(header, rows) if rows else "not run\n"


def correlations(rows: Sequence[Mapping], method: str) -> list[str]:
    """The number of groups, and the rank correlations of a method on both sets of refusals."""
    mine = {row["exchanges"]: row for row in rows if row["method"] == method}
    return [
        str(mine["seen"]["groups"]),
        *(ranged(mine[name]["rho"], *mine[name]["interval"]) for name in ("seen", "new")),
    ]


def worded() -> str:
    """Writes the IoU of masks whose prompts, refusals or both differ, in the mean over splits with its range."""
    by_model = defaultdict(list)
    for cell in load_cells("wording"):
        by_model[cell["model"]].append(cell["compared"])
    rows = []
    for name, words in CHANGED.items():
        found = [[one[name]["iou"] for one in splits] for splits in by_model.values()]
        rows.append([*words, *(ranged(fmean(every), min(every), max(every)) for every in found)])
    return markdown(["prompts", "refusals", *by_model], rows) if rows else "not run\n"


def written() -> str:
    """Fills the tables into the words of the page."""
    tuned, noisy = ("weights", "share", "rate"), ("mask", "share", "ratio")
    tables = {
        "set": table("set", tuned, ["trained weights", "share", "rate"]),
        "set differences": differences("set", tuned, "top", "random"),
        "noise": table("noise", noisy, ["mask", "share", "noise"]),
        "noise differences": differences("noise", noisy, "top", "random"),
        "restore": restored(),
        "preserve": preserved(),
        "preserve, with borderline": with_borderline(),
        "preserve, MemoTrap": preserved("preserve_memotrap"),
        "where": located(),
        "overlaps": overlapping(),
        "predict": predicted(),
        "wording": worded(),
        "noise differences, safety-only": differences("noise", noisy, "safety_only", "random"),
    }
    text = WORDS.read_text()
    for name, made in tables.items():
        text = text.replace(f"<!-- {name} -->\n", made)
    return text


def main() -> None:
    """Writes the page."""
    save_text(PAGE, written())


if __name__ == "__main__":
    main()
