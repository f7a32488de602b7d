r"""Does the aligned built-in model's safety rest on the weights with the highest scores? Noise on them, and on others.

Noise of `ratio` standard deviations of each matrix goes on the weights of one mask of 1%. Measured under it, on 128
harmful prompts whose verbs alignment never saw and on 128 questions: coherent refusals, attack success among coherent
answers, incoherent answers and utility. Scores are ESI of the likelihood of given refusals, as in the demo. Top and
safety-only get three draws of noise each.
Against: the model without noise, ten random masks (one draw each), the bottom weights and the largest ones.
Told at every strength: top minus random, with the range over the random masks.

Then noise of 0.38 on all weights of a layer's component, one after the other: Spearman's rho of the measured change of
the refusals' likelihood and the change that scores predict, with its interval, beside magnitude and random scores. It
is the experiment of `real/predict.py`.
There is no bar. Runs again on the same folder, the script goes on where it was. OUT/figures.json, committed as
`noise_results/figures.json`, holds what the page is written from.

    PYTHONPATH=src:. python benchmarks/noise.py [--out DIR] [--table docs/results/noise.md]
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.coherent import COLUMNS, cell, figures, markdown

from benchmarks.real import predict
from holdfast.artifacts import save_json, save_text
from holdfast.evaluate.statistics import wilson_interval
from holdfast.outcomes import Evaluation
from holdfast.pipeline import masks, scoring, verifying
from holdfast.pipeline.evaluating import evaluate_recipe
from holdfast.pipeline.options import ScoringOptions, SuiteFiles
from holdfast.pipeline.recipe import Recipe
from holdfast.pipeline.run import pieces
from holdfast.pipeline.run.demo import demo_config
from holdfast.prompts.sources import load_exchanges

RATIOS = (0.38, 0.75, 1.0, 2.0, 4.0)
RESULTS = Path(__file__).with_name("noise_results") / "figures.json"
"""The committed figures."""
FRACTION, LIMIT, DRAWS, RANDOM_MASKS = 0.01, 128, 3, 10
NAMES = ("top", "safety_only", "random", "bottom", "magnitude")
SHOWN = (0, 1, 2, 5)
"""Columns of COLUMNS that noise is measured by."""
FILES = SuiteFiles(harmful=("testbed:harmful_heldout",), questions="testbed:questions")
PREDICT_RATIO, PREDICT_EXCHANGES, GROUPS = 0.38, 64, 56
CONFIG = demo_config(0)

Measured = Mapping[tuple[str, float], Sequence[Sequence[float | None]]]
"""Figures of every draw, by mask and strength."""


def locate(out: Path) -> Path:
    """Scores the aligned model as the demo does, and by magnitude."""
    folder = out / "scores"
    if not (folder / "section.json").is_file():
        pieces.locate(CONFIG, CONFIG.model, folder, CONFIG.located_by)
    magnitude, options = (
        folder / "magnitude.safetensors",
        ScoringOptions(objective="refusal_likelihood", method="magnitude"),
    )
    if not magnitude.is_file():
        scoring.score_likelihood(CONFIG.model, "testbed:refusals#first=256", magnitude, options=options)
    return folder


def mask_of(name: str, number: int, folder: Path) -> Path:
    """Selects a mask of 1%. `number` is the seed of a random one."""
    path = folder / "noise_masks" / f"{name}_{number}.safetensors"
    if not path.is_file():
        scores = folder / ("magnitude" if name == "magnitude" else "scores")
        shared = {"fraction": FRACTION, "seed": number}
        selector = "top" if name == "magnitude" else name
        masks.select_as_shared(
            scores.with_suffix(".safetensors"), selector, path, shared=shared, utility=folder / "utility.safetensors"
        )
    return path


def draws_of(name: str) -> list[tuple[int, list[int]]]:
    """Lists the masks of a name, each with the seeds of its draws of noise."""
    if name == "random":
        return [(number, [number]) for number in range(RANDOM_MASKS)]
    return [(0, list(range(DRAWS if name in ("top", "safety_only") else 1)))]


def under_noise(name: str, out: Path, folder: Path) -> dict[tuple[str, float], list[list[float | None]]]:
    """Measures all draws of noise of every strength on the masks of a name."""
    found: dict[tuple[str, float], list[list[float | None]]] = {(name, ratio): [] for ratio in RATIOS}
    for number, seeds in draws_of(name):
        draws = [verifying.NoiseDraw(ratio, seed, seed) for ratio in RATIOS for seed in seeds]
        spec = verifying.NoiseSpec(
            model=CONFIG.model,
            judge=CONFIG.judge,
            mask=mask_of(name, number, folder),
            files=FILES,
            draws=draws,
            out=out / "noise" / f"{name}_{number}",
            limit=LIMIT,
            generation=CONFIG.generate,
        )
        for draw, evaluation in zip(draws, verifying.verify(spec), strict=True):
            found[name, draw.ratio].append(shown(evaluation))
        print(f"done noise on {name} {number}", file=sys.stderr, flush=True)
    return found


def shown(evaluation: Evaluation) -> list[float | None]:
    """Returns the figures that noise is measured by."""
    values = figures(evaluation)
    return [values[place] for place in SHOWN]


def untouched(out: Path) -> list[float | None]:
    """Measures the model without noise."""
    harmful, questions = f"{FILES.harmful[0]}#first={LIMIT}", f"{FILES.questions}#first={LIMIT}"
    suite = SuiteFiles(harmful=(harmful,), questions=questions)
    recipe = Recipe(model=CONFIG.model, judge=CONFIG.judge, suite=suite, generation=CONFIG.generate)
    path = out / "noise" / "untouched.json"
    if not path.is_file():
        evaluate_recipe(recipe, path)
    return shown(verifying.load_evaluation(path))


def known(values: Sequence[float | None]) -> list[float]:
    """Returns the measured values."""
    return [value for value in values if value is not None]


def spread(values: Sequence[float | None]) -> str:
    """Writes the mean of several draws with their range, or the value of one. Empty where nothing was measured."""
    found = known(values)
    if len(found) < 2:
        return cell(found[0] if found else None)
    return f"{fmean(found):.3f} [{min(found):.3f}, {max(found):.3f}]"


def gap(chosen: Sequence[float], random: Sequence[float]) -> tuple[float, float, float, int]:
    """Returns chosen minus random in the mean, the same against the highest and the lowest random mask, and how many
    random masks are below or equal to chosen.
    """
    mean = fmean(chosen)
    below = sum(one <= mean for one in random)
    return mean - fmean(random), mean - max(random), mean - min(random), below


def masks_table(start: Sequence[float | None], measured: Measured) -> str:
    """Writes a row for every strength and mask."""
    rows = [["0", "none", "", *map(cell, start)]]
    for ratio in RATIOS:
        for name in NAMES:
            draws = measured[name, ratio]
            columns = [spread(column) for column in zip(*draws, strict=True)]
            rows.append([f"{ratio:g}", name.replace("_", "-"), str(len(draws)), *columns])
    return markdown(["noise", "weights", "draws", *(COLUMNS[place] for place in SHOWN)], rows)


def gaps_table(measured: Measured) -> str:
    """Writes top and safety-only minus random in coherent refusals at every strength."""
    rows = []
    for ratio in RATIOS:
        random = known([draw[0] for draw in measured["random", ratio]])
        for name in ("top", "safety_only"):
            chosen = known([draw[0] for draw in measured[name, ratio]])
            mean, least, most, below = gap(chosen, random)
            interval = f"{mean:+.3f} [{least:+.3f}, {most:+.3f}]"
            rows.append([f"{ratio:g}", name.replace("_", "-"), interval, f"{below} of {len(random)}"])
    return markdown(["noise", "weights", "minus random", "random masks that lose as much"], rows)


def prediction(out: Path) -> dict:
    """Compares predicted and measured change of the refusals' likelihood. Returns every group beside the rows."""
    exchanges = load_exchanges("testbed:refusals")[: 2 * PREDICT_EXCHANGES]
    sets = {"seen": exchanges[:PREDICT_EXCHANGES], "new": exchanges[PREDICT_EXCHANGES:]}
    return predict.compare(CONFIG.model, sets, out / "predict", draws=DRAWS, ratio=PREDICT_RATIO)


def prediction_table(rows: Sequence[dict]) -> str:
    """Writes Spearman's rho of every method with its interval."""
    lines = []
    for row in rows:
        low, high = row["interval"] or (None, None)
        interval = f" [{low:.2f}, {high:.2f}]" if row["interval"] else ""
        shown_rho = "" if row["rho"] is None else f"{row['rho']:.2f}{interval}"
        lines.append([row["method"].replace("_", " "), row["exchanges"], shown_rho, str(row["groups"])])
    return markdown(["scores", "refusals", "Spearman's rho", "groups"], lines)


def noise_section(start: Sequence[float | None], measured: Measured) -> str:
    """Writes what noise on each mask does, or that it was not measured."""
    half = max(high - low for low, high in [wilson_interval(0.5, LIMIT)]) / 2
    if not measured:
        return """\
This page does not answer its question. It has no noise on the top 1% of the weights, which was not measured in full.
The table has noise on all weights of one component of one layer, such as every weight of layer 3's `v_proj`.

"""
    return f"""\
Noise of so many standard deviations of each matrix goes on 1% of the scored weights of the aligned model. Top weights
have the highest ESI by the likelihood of 256 given refusals. The paper's noise is 0.38. Measured on {LIMIT} harmful
prompts whose verbs alignment never saw, and utility on the same number of questions. The first three figures are shares
of all harmful prompts. Several draws show their mean and range. A random mask is another one in each draw.

{masks_table(start, measured)}
## Top minus random, coherent refusals

The range is against the highest and the lowest of the {RANDOM_MASKS} random masks. The last column counts random masks
under which the model refuses no more than under noise on the selected weights: 0 of 10 has a one-sided p of 1/11.
All draws share the prompts: a figure of one draw has a 95% interval of up to {half:.2f} to each side over prompts,
which the ranges do not contain.

{gaps_table(measured)}
- **Up to one standard deviation, and so at the paper's strength, noise on no mask changes anything.** All responses
  are coherent refusals, and utility stays where it was.
- **At two, the selected weights lose one or two refusals in a hundred**, and none of the ten random masks loses any.
- **At four, noise on the selected weights breaks the model.** Few refusals are left, and more than half of the utility
  is lost with them. Noise on random weights costs next to nothing. So the selected weights carry what this model does.
  That they carry its safety apart from that does not follow: the broken model seldom complies.

"""


def page(found: Mapping[str, Any] | None = None) -> str:
    """Writes the results as Markdown, from the committed figures if none are given."""
    found = found or json.loads(RESULTS.read_text(encoding="utf-8"))
    start, predicted = found["untouched"], found["predicted"]["rows"]
    measured = {(name, ratio): draws[f"{ratio:g}"] for name, draws in found["noise"].items() for ratio in RATIOS}
    return f"""# Noise on the built-in model: does its safety rest on the top weights?

`benchmarks/noise.py` makes this page. The built-in models test the machinery and are no evidence about larger models.

{noise_section(start, measured)}## Predicted and measured change

Noise of {PREDICT_RATIO} goes on all weights of a layer's component, {DRAWS} draws each. The change of the likelihood of
{PREDICT_EXCHANGES} refusals is measured: of those that made the scores (seen), and of others (new). Each method
predicts the root of its summed squared scores. Intervals of rho are at 95% and take the groups as independent.

{prediction_table(predicted)}
## The weakest point

One model and one set of scores. Groups of one layer share inputs, so that they are fewer than {GROUPS} independent
ones. Random scores predict by the size of a group alone.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is missing, writes the page and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo-noise"))
    parser.add_argument("--table", type=Path, help="write the results to this Markdown file")
    parser.add_argument("--prediction-alone", action="store_true", help="leave out noise on masks")
    options = parser.parse_args(arguments)
    folder, start = locate(options.out), untouched(options.out)
    predicted = prediction(options.out)
    measured: dict[tuple[str, float], list[list[float | None]]] = {}
    for name in () if options.prediction_alone else NAMES:
        measured |= under_noise(name, options.out, folder)
    masks_measured = dict.fromkeys(name for name, _ in measured)
    noise = {name: {f"{ratio:g}": measured[name, ratio] for ratio in RATIOS} for name in masks_measured}
    found = {"untouched": start, "noise": noise, "predicted": predicted}
    save_json(options.out / "figures.json", found)
    if options.table:
        save_text(options.table, page(found))
    print(json.dumps({"name": "noise", "figures": found, "bars": {}, "pass": None}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
