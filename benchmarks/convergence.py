"""With how many prompts does the selection stop changing?

Measured: on the built-in aligned model, the IoU of the top 1% of two halves of harmful prompts that share none, and the
rank correlation of all their scores, from 8 prompts in each half to 2,048. The prompts are the world's, drawn as the
calibration set is, verbs that alignment saw; responses of one token. Two orders of the prompts.
Against: chance's p / (2 - p).
Bar: none; the size from which doubling adds less than 0.02 of IoU is a finding for the docs.
OUT/figures.json, committed as `convergence_results/figures.json`, holds what the page is written from.
"""

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from textwrap import fill
from typing import Any

import torch

from holdfast.artifacts import save_json, save_text
from holdfast.models.generate import generate
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.judges import load_judge
from holdfast.pipeline.scoring import converge
from holdfast.score import JudgeGradient, ScoreOptions
from holdfast.testbed import corpus, world

RESULTS = Path(__file__).with_name("convergence_results") / "figures.json"
"""The committed figures."""
NUM_PROMPTS = 4096
SEEDS = (0, 1)
FLAT = 0.02
"""Of IoU: what doubling the prompts must add, or the curve has stopped rising."""
Found = Mapping[str, Any]
"""IoU of random masks, and the curve of each order of the prompts."""


def draw_prompts(count: int, seed: int) -> list[str]:
    """Distinct harmful requests that no evaluation set may hold."""
    rng = random.Random(seed)
    deeds = [deed for deed in world.list_deeds("harmful") if deed.group == "seen"]
    found: dict[str, None] = {}
    while len(found) < count:
        prompt = world.request(rng.choice(deeds), rng).prompt
        if corpus.share_of(prompt) == 1:
            found[prompt] = None
    return list(found)


def first_flat(sizes: Sequence[int], overlaps: Sequence[float]) -> int | None:
    """The size from which doubling adds less than FLAT, ever after; None where it still rises."""
    flat = None
    for size, before, after in reversed(list(zip(sizes, overlaps, overlaps[1:], strict=False))):
        if after - before >= FLAT:
            return flat
        flat = size
    return flat


def conclusion(points: Sequence[tuple[int, float, float]]) -> str:
    """Says whether the curve still rises at its end, and where it fell on the way."""
    sizes, overlaps = [size for size, *_ in points], [iou for _, iou, _ in points]
    steps = list(zip(sizes, overlaps, sizes[1:], overlaps[1:], strict=False))
    falls = [
        f"from {before:.3f} at {size:,} to {after:.3f} at {more:,}"
        for size, before, more, after in steps
        if after < before
    ]
    flat, (size, before, last, after) = first_flat(sizes, overlaps), steps[-1]
    if flat:
        found = f"From {flat:,} prompts in each half on, doubling them adds less than {FLAT} to the IoU."
    else:
        found = (
            f"The mask still changes with more prompts at {last:,} in each half, the largest size that we measured. "
            f"The last doubling, from {size:,}, raised the IoU from {before:.3f} to {after:.3f}."
        )
    dips = f" The curve is not smooth: the IoU falls {', and '.join(falls)}." if falls else ""
    return f"{found}{dips} Every point is the mean of {len(SEEDS)} orders of the prompts."


def means(found: Found) -> list[tuple[int, float, float]]:
    """Returns each size with its IoU and rank correlation, in the mean over the orders of the prompts."""
    return [
        (at_size[0]["num_prompts"], *(fmean(one[name] for one in at_size) for name in ("iou", "rank_correlation")))
        for at_size in zip(*found["orders"], strict=True)
    ]


def page(found: Found | None = None) -> str:
    """Writes the model, the table and the conclusion as Markdown, from the committed figures if none are given."""
    found = found or json.loads(RESULTS.read_text(encoding="utf-8"))
    points, random_iou = means(found), found["random_iou"]
    rows = "\n".join(f"| {size:,} | {iou:.3f} | {agreed:.3f} |" for size, iou, agreed in points)
    return f"""# Convergence on the built-in aligned model: with how many prompts does the selection stop changing?

`benchmarks/convergence.py` makes this table on `testbed:aligned`, a model of a million weights, with the objective
`judge_gradient` on responses of one token. The result tests the machinery and is no evidence about larger models.
Random masks of this size have an IoU of {random_iou:.4f}.

| prompts in each half | IoU of top 1% | rank correlation |
| --- | --- | --- |
{rows}

## Conclusion

{fill(conclusion(points), 120)}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the curve, writes the table, prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo-convergence"))
    parser.add_argument("--table", type=Path, help="also write the table to this Markdown file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    loaded, judge = load_model("testbed:aligned"), load_judge("testbed:guard")
    responses = generate(
        loaded.model, loaded.tokenizer, draw_prompts(NUM_PROMPTS, seed=0), GenerateOptions(max_new_tokens=1)
    )
    objective = JudgeGradient(judge, loaded.tokenizer, responses)
    curves = [converge(loaded, objective, ScoreOptions(), seed) for seed in SEEDS]
    orders = [
        [
            {"num_prompts": one.num_prompts, "iou": one.iou, "rank_correlation": one.rank_correlation or 0.0}
            for one in curve
        ]
        for curve in curves
    ]
    found = {"random_iou": curves[0][0].random_iou, "orders": orders}
    save_json(options.out / "figures.json", found)
    points = means(found)
    sizes, overlaps = [size for size, *_ in points], [iou for _, iou, _ in points]
    flat = first_flat(sizes, overlaps)
    if options.table:
        save_text(options.table, page(found))
    figures = {"iou": {size: round(iou, 3) for size, iou, _ in points}, "stops_rising_at": flat}
    print(json.dumps({"name": "convergence", "figures": figures, "bars": {}, "pass": True}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
