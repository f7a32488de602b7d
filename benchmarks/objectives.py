"""Which objective ranks weights most repeatably for its price, and when do more prompts stop helping?

Measured: on the built-in aligned model, for every objective and number of prompts: seconds from prompts to scores, and
between two halves of the prompts (16 to 128 each, none shared), the rank correlation of ESI over all scored weights and
the IoU of the top 1%, beside chance's p / (2 - p). Responses of one token, where refusing is decided.
Against: each other, at equal seconds: the curve of every objective is read off where the cheapest one ends.
Bar: the default objective's rank correlation is the highest there.
WORK/figures.json, committed as `objectives_results/figures.json`, holds what the page is written from.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import Any

import numpy as np
import torch

from holdfast.artifacts import save_json, save_text
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.options import GenerateOptions
from holdfast.objective.completions import Objective
from holdfast.pipeline.judges import load_judge
from holdfast.pipeline.objectives import make_objective
from holdfast.pipeline.options import ScoringOptions
from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.score import ResponseLikelihood, ScoreOptions, score
from holdfast.select.stability import Stability, stability
from holdfast.values import Scores

ESTIMATORS = ("judge_gradient", "policy_gradient", "control_variate", "mix")
OBJECTIVES = (*ESTIMATORS, "refusal_likelihood")
RESULTS = Path(__file__).with_name("objectives_results") / "figures.json"
"""The committed figures."""
Found = Mapping[str, Any]
"""Measurements of each objective and number of prompts, a list with one entry for each order of the prompts."""
PROMPTS = (16, 32, 64, 128)
"""In each half."""
SEEDS = (0, 1)
DEFAULT = ScoringOptions().objective


def score_prompts(loaded: LoadedModel, judge, objective: str, positions: Sequence[int], folder: Path) -> Scores:
    """ESI from some of the calibration prompts, answered, judged and scored."""
    return score(loaded, made(loaded, judge, objective, positions, folder), ScoreOptions())


def made(loaded: LoadedModel, judge, objective: str, positions: Sequence[int], folder: Path) -> Objective:
    """The objective on those prompts."""
    if objective == "refusal_likelihood":
        exchanges = load_exchanges("testbed:refusals")
        return ResponseLikelihood(loaded.tokenizer, [exchanges[position] for position in positions])
    prompts = load_prompts("testbed:harmful_calibration")
    asked = [prompts[position].prompt for position in positions]
    options, generation = ScoringOptions(objective=objective), GenerateOptions(max_new_tokens=1)
    return make_objective(options, loaded, folder, judge=judge, prompts=asked, generation=generation).objective


def compare(loaded: LoadedModel, judge, objective: str, count: int, seed: int, folder: Path) -> tuple[float, Stability]:
    """Seconds of both halves together, and how far they agree."""
    order = np.random.default_rng(seed).permutation(2 * PROMPTS[-1])
    started = time.perf_counter()
    halves = [
        score_prompts(loaded, judge, objective, order[part * count : (part + 1) * count].tolist(), folder / str(part))
        for part in (0, 1)
    ]
    taken = time.perf_counter() - started
    return taken, stability(halves[0], halves[1])


def at_equal_seconds(curve: Sequence[tuple[float, float]], seconds: float) -> float:
    """A curve's value where it has taken so many seconds, between its points on a logarithmic scale."""
    times, values = zip(*sorted(curve), strict=True)
    return float(np.interp(np.log(seconds), np.log(times), values))


def rows_of(found: Found) -> list[tuple[object, ...]]:
    """Writes a row for each objective and number of prompts, in the mean over the orders of the prompts."""
    rows: list[tuple[object, ...]] = []
    for objective, by_count in found.items():
        for count, orders in by_count.items():
            if isinstance(orders, str):
                rows.append((objective, count, "", f"not measured: {orders}", "", ""))
                continue
            seconds, agreed, overlap, chance = (
                fmean(one[name] for one in orders) for name in ("seconds", "rank_correlation", "iou", "random_iou")
            )
            rows.append((objective, count, f"{seconds:.1f}", f"{agreed:.3f}", f"{overlap:.3f}", f"{chance:.4f}"))
    return rows


def page(found: Found | None = None) -> str:
    """Writes the model, all points and the conclusion as Markdown, from the committed figures if none are given."""
    rows = rows_of(found or json.loads(RESULTS.read_text(encoding="utf-8")))
    header = ("objective", "prompts in a half", "seconds", "rank correlation", "IoU of top 1%", "random IoU")
    lines = [header, ["---"] * len(header), *rows]
    text = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
    return f"""# Objectives on the built-in aligned model: how far do two halves of the prompts agree?

`benchmarks/objectives.py` makes this table on `testbed:aligned`, a model of a million weights. The result tests the
machinery and is no evidence about larger models. Every row is the mean of {len(SEEDS)} orders of the prompts.

{text}

## Conclusion

{fill(conclusion(rows), 120)}

**On the earlier built-in model the order was the other way round:** there the halves of `judge_gradient` agreed best,
with an IoU of 0.49 at 128 prompts in a half, and those of `policy_gradient` least, with 0.14. So the order depends on
the model. On the earlier one nearly all sampled responses refused, so that they hardly differed. We do not know why the
judge gradient agrees so little on the present one.

The agreement of halves measures how repeatable a ranking is. It does not measure whether the ranking is right, which
[the bakeoff](bakeoff.md) does, on the earlier model. [One split says little](bakeoff.md#one-split-says-little).
"""


def conclusion(rows: Sequence[Sequence[object]]) -> str:
    """Orders the objectives by IoU at the largest size that each reached, and counts where more prompts lowered it."""
    curves: dict[str, list[tuple[int, str, str, str]]] = {}
    for name, count, seconds, agreed, overlap, _ in rows:
        if overlap:
            curves.setdefault(str(name), []).append((int(str(count)), str(overlap), str(agreed), str(seconds)))
    ends = sorted(((curve[-1], name) for name, curve in curves.items()), key=lambda end: -float(end[0][1]))
    best, *others = [
        f"`{name}` (IoU {overlap}, rank correlation {agreed}, {seconds} s)"
        for (_, overlap, agreed, seconds), name in ends
    ]
    steps = [(one[1], other[1]) for curve in curves.values() for one, other in pairwise(curve)]
    falls = sum(float(after) < float(before) for before, after in steps)
    return (
        f"At {ends[0][0][0]} prompts in a half, the halves agree best with {best}. Then come {', '.join(others)}. More "
        f"prompts did not always help: in {falls} of {len(steps)} doublings the IoU fell."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures every objective at every size, writes the table, prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="also write the table to this Markdown file")
    parser.add_argument("--work", type=Path, required=True, help="an empty folder for responses")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    loaded, judge = load_model("testbed:aligned"), load_judge("testbed:guard")
    found: dict[str, dict[str, list[dict[str, float]] | str]] = {objective: {} for objective in OBJECTIVES}
    curves: dict[str, list[tuple[float, float]]] = {}
    for objective in OBJECTIVES:
        for count in PROMPTS:
            try:
                orders = [
                    compare(loaded, judge, objective, count, seed, options.work / objective / f"{count}_{seed}")
                    for seed in SEEDS
                ]
            except ValueError as error:  # a policy gradient of responses that are all judged alike
                found[objective][str(count)] = str(error)
                continue
            measured = [
                {"seconds": taken, "rank_correlation": one.rank_correlation or 0.0, "iou": one.iou,
                 "random_iou": one.random_iou}
                for taken, one in orders
            ]  # fmt: skip
            found[objective][str(count)] = measured
            seconds, agreed = (fmean(one[name] for one in measured) for name in ("seconds", "rank_correlation"))
            curves.setdefault(objective, []).append((seconds, agreed))
            print(objective, count, measured, file=sys.stderr, flush=True)
    save_json(options.work / "figures.json", found)
    if options.table:
        save_text(options.table, page(found))
    limit = min(max(seconds for seconds, _ in curves[name]) for name in ESTIMATORS if name in curves)
    reached = {name: round(at_equal_seconds(curve, limit), 4) for name, curve in curves.items()}
    passes = all(reached[DEFAULT] >= reached.get(name, 0.0) for name in ESTIMATORS)
    figures = {"seconds": round(limit, 1), **reached}
    print(json.dumps({"name": "objectives", "figures": figures, "bars": {"highest": DEFAULT}, "pass": passes}))
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
