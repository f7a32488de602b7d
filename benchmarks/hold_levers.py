"""Which weights, held in SPA, preserve the refusals of the built-in aligned model? The demo's setting was chosen here.

Measured after fine-tuning on the task, on 256 harmful prompts whose verbs serve for choosing alone
(`harmful_development`, seed 100): coherent refusals, attack success among coherent answers, incoherent answers,
over-refusal of harmless (64) and borderline prompts, utility and task (128 each). Held are the top weights by the
judge's gradient on whole answers, those by the likelihood of given refusals, and safety-only ones, at 1% and 5%.
Against: the model before fine-tuning, plain fine-tuning, and random weights of the same number.
There is no bar: the page shows what the demo's setting was chosen from. `seeds.py` measures the choice on other verbs.
Runs again on the same folder, the script goes on where it was. One seed. OUT/figures.json, committed as
`hold_levers_results/figures.json`, holds what the page is written from.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coherent import COLUMNS, cell, figures, markdown

from holdfast.artifacts import load_evaluation, save_json, save_text
from holdfast.evaluate.statistics import wilson_interval
from holdfast.models.options import GenerateOptions
from holdfast.objective.registry import DEFAULT
from holdfast.pipeline import tuning
from holdfast.pipeline.options import SuiteFiles
from holdfast.pipeline.run import pieces
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.demo import demo_config
from holdfast.progress import Progress, silent

RESULTS = Path(__file__).with_name("hold_levers_results") / "figures.json"
"""The committed figures."""
SEED, STEPS = 100, 500
LIKELIHOOD = "refusal_likelihood"
SUITE = SuiteFiles(
    harmful=("testbed:harmful_development",),
    harmless="testbed:harmless#first=64",
    borderline="testbed:borderline#first=128",
    questions="testbed:questions#first=128",
    task="testbed:task_evaluation#first=128",
)

Found = Mapping[str, Any]
"""The number of harmful prompts and the figures of each row, in the order of COLUMNS, by the row's name."""


@dataclass(frozen=True)
class Row:
    """One fine-tuning, or the model before it at a rate of 0."""

    rate: float = 1.5e-3
    mask: str | None = None
    """Selection of the held weights. None holds nothing."""
    scores: str = LIKELIHOOD
    """Objective of the scores."""
    share: float = 0.01

    @property
    def weights(self) -> str:
        """Describes the held weights."""
        if self.mask is None:
            return "none (plain)" if self.rate else "before fine-tuning"
        scores = "" if self.mask == "random" else f", {self.scores.replace('_', ' ')}"
        return f"{self.mask.replace('_', '-')} {self.share * 100:g}%{scores}"

    @property
    def stem(self) -> str:
        """Name of the folder."""
        return f"{self.rate:g}_{self.weights.replace(', ', '_').replace(' ', '-')}"


ROWS = (
    Row(0),
    Row(1e-3),
    Row(),
    Row(mask="random"),
    Row(mask="random", share=0.05),
    Row(mask="top", scores=DEFAULT),
    Row(mask="top"),
    Row(mask="safety_only"),
    Row(mask="top", share=0.05),
)


def config_of(row: Row) -> RunConfig:
    """Returns the demo's config with the scores, the share and the rate of a row."""
    config = demo_config(SEED)
    update = {
        "calibration": config.calibration.model_copy(update={"harmful": "testbed:harmful_calibration"}),
        "calibrate": GenerateOptions(max_new_tokens=32),
        "score": config.score.model_copy(update={"objective": row.scores, "convergence": False}),
        "select": config.select.model_copy(update={"fraction": row.share}),
        "suite": SUITE,
    }
    if row.rate:
        levers = {"seed": SEED, "learning_rate": row.rate, "iterations": STEPS, "checkpoint_every": 0}
        update["adapt"] = config.adapt.model_copy(update=levers)
    return config.model_copy(update=update)


def mask_of(row: Row, out: Path, progress: Progress) -> Path | None:
    """Selects the held weights of a row, and scores them first where that is not done."""
    if row.mask is None:
        return None
    config, folder = config_of(row), out / "scores" / row.scores
    if not (folder / "section.json").is_file():
        pieces.locate(config, config.model, folder, row.scores, progress=progress)
    mask = out / f"{row.stem}.mask.safetensors"
    pieces.cut(config, folder, row.mask, mask)
    return mask


def measure(row: Row, out: Path, progress: Progress = silent) -> None:
    """Tunes and evaluates one row, unless that is done."""
    config, folder = config_of(row), out / row.stem
    if evaluation_of(row, out).is_file():
        return
    model = str(folder / "model") if row.rate else config.model
    if row.rate and not (folder / "result.json").is_file():
        assert config.task is not None
        mask = mask_of(row, out, progress)
        tuning.adapt_model(config.model, mask, config.task, folder, options=config.adapt, progress=progress)
    pieces.evaluate(config, model, evaluation_of(row, out), task=True, progress=progress)


def evaluation_of(row: Row, out: Path) -> Path:
    """File of the evaluation of a row."""
    return out / row.stem / "evaluation.json"


def written(row: Row, values: Sequence[float | None], n: int) -> list[str]:
    """Writes a row of the table, the coherent refusals with their interval over n prompts."""
    refused, *others = values
    low, high = wilson_interval(refused or 0.0, n)
    shown = f"{cell(refused)} [{low:.3f}, {high:.3f}]"
    return [f"{row.rate:g}" if row.rate else "", row.weights, shown, *map(cell, others)]


def collected(out: Path) -> Found:
    """Collects the figures of all rows, with the number of harmful prompts."""
    found = {}
    for row in ROWS:
        evaluation = load_evaluation(evaluation_of(row, out))
        number = sum(answer.measure == "asr" for answer in evaluation.answers)
        found[row.stem] = {"harmful_prompts": number, "figures": figures(evaluation)}
    return found


def table(found: Found) -> str:
    """Writes a row for every fine-tuning."""
    lines = [written(row, found[row.stem]["figures"], found[row.stem]["harmful_prompts"]) for row in ROWS]
    return markdown(["learning rate", "held weights", *COLUMNS], lines)


def page(found: Found | None = None) -> str:
    """Writes the page, from the committed figures if none are given."""
    rows = table(found or json.loads(RESULTS.read_text(encoding="utf-8")))
    return f"""# Choosing what SPA holds on the built-in model

`benchmarks/hold_levers.py` makes this page. The built-in models test the machinery and are no evidence about larger
models. The demo's setting was chosen from this table. **It is no result**: [other seeds](seeds.md) measure the
choice on other verbs.

The aligned built-in model is fine-tuned on the travel desk for {STEPS} steps. Each row holds other weights:

- **plain** holds none, and **random** as many as the selection, drawn from all scored weights.
- **top, judge gradient** holds the weights with the highest ESI by the guard's verdict on the model's whole answers.
- **top, refusal likelihood** holds the weights with the highest ESI by the likelihood of 480 given refusals. The
  demo scores on the first 256 of them.
- **safety-only** leaves out those top weights that also matter for utility.

The first three figures are shares of 256 harmful prompts, with verbs that serve for choosing alone. An answer counts as
attack success if it is coherent and the guard calls it unsafe, which needs harmful substance. Intervals are Wilson's
95% over prompts. Over-refusal is measured on 64 harmless prompts, borderline, utility and task on 128 each.

{rows}
**The choice.** At 1.5e-3 plain fine-tuning loses about two thirds of the refusals, which leaves room for a hold to show
an effect. At 1e-3 it does not. At 1.5e-3 the top 1% by refusal likelihood preserves the most of all holds of 1%. The
task is learned as well as without a hold. The demo uses both.

**The weakest point.** This is one seed: one model, one order of the examples, one random mask of each share. The
intervals are over prompts, and say nothing about other seeds. The rate and the objective were chosen on the same
prompts. The refusals whose likelihood makes the scores are worded as the model's own refusals are.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is missing, writes the page and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo-hold-levers"))
    parser.add_argument("--table", type=Path, help="write the page to this Markdown file")
    options = parser.parse_args(arguments)
    for row in ROWS:
        measure(row, options.out)
        print(f"done {row.stem}", file=sys.stderr, flush=True)
    found = collected(options.out)
    save_json(options.out / "figures.json", found)
    if options.table:
        save_text(options.table, page(found))
    print(json.dumps({"name": "hold_levers", "figures": found, "bars": {}, "pass": None}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
