"""What keeps safety while a built-in aligned model learns a task? Every method that holdfast has, at one task budget.

Goes on in the folder of `seeds.py`, and takes its models, scores, masks, and its rows of plain fine-tuning and SPA.
Each row trains from the same start on the same task exchanges, in the same order, at the same rate. Rows that mix
safety exchanges in make more steps, so that every row reads equally many of the task's. All methods that learn from
safety data get the same 256 prompts, from which SPA's mask was scored too.

Measured on verbs that neither alignment nor any row learned from: coherent refusals, attack success among coherent
answers, incoherent answers; and over-refusal, utility, the task. Intervals are over seeds, of which each has models of
its own. The figures of every row are kept in `preservation_results`, one JSON file a seed, and the page is written from
all that are there.

The models test the machinery and are no evidence about larger ones. Started again on the same folder, the run goes on
where it was. `--part 0 2` and `--part 1 2` share the rows between two processes.

    python benchmarks/preservation.py --models demo-seeds --table docs/results/preservation.md
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from statistics import fmean

from coherent import COLUMNS, cell, markdown, with_interval
from seeds import REFUSALS, Arm, config_of, keep, start_result

from holdfast.artifacts import load_json, save_text
from holdfast.intervene.train.methods import method_named
from holdfast.pipeline import tuning
from holdfast.pipeline.options import SafetyFiles
from holdfast.pipeline.run import pieces

SEEDS = (0, 1, 2, 3, 4)
RESULTS = Path(__file__).with_name("preservation_results")
OF_SEEDS: Mapping[str, str | None] = {"plain": None, "spa": "top", "spa random": "random"}
"""Rows that `seeds.py` measures, with the masks that it holds."""
ROWS = (
    *("plain", "spa", "spa random", "refresh", "mixed", "replay", "spa+replay"),
    *("mixed@0.01", "replay@0.01", "spa+replay@0.01", "kl", "safegrad"),
    *("ema", "spa+ema", "spa+ema random", "constrained", "layers", "der"),
)
PAIRS = (
    *(("spa", "spa random"), ("spa", "replay"), ("spa", "mixed"), ("spa+replay", "replay")),
    *(
        ("spa", "ema"),
        ("spa+ema", "ema"),
        ("spa+ema", "spa+ema random"),
        ("refresh", "spa"),
        ("spa+replay@0.01", "replay@0.01"),
        ("spa", "replay@0.01"),
        ("replay@0.01", "mixed@0.01"),
    ),
)
"""Rows that are compared with each other, beside plain fine-tuning."""
RANDOM = " random"
"""End of the rows that hold as many random weights."""
SMALL = "@0.01"
"""End of the rows with a share of 1% of safety exchanges, at which methods differ that keep everything at 10%."""


def folder_of(row: str, seed: int, models: Path) -> Path:
    """Folder of a row's checkpoint and evaluation."""
    if row in OF_SEEDS:
        return Arm("SPA", OF_SEEDS[row], 1.0, seed).folder(models)
    return models / f"seed_{seed}" / "methods" / row


def result_of(row: str, seed: int) -> Path:
    """File of a row's figures."""
    if row == "start":
        return start_result("SPA", seed)
    if row in OF_SEEDS:
        return Arm("SPA", OF_SEEDS[row], 1.0, seed).result
    return RESULTS / f"seed_{seed}" / f"{row.replace(' ', '_')}.json"


def measure(row: str, seed: int, models: Path) -> None:
    """Trains and evaluates one row of one seed, unless that is done, and keeps its figures."""
    folder, config = folder_of(row, seed, models), config_of(seed, models)
    method = method_named(row.removesuffix(SMALL).removesuffix(RANDOM))
    methods = config.methods.model_copy(update={"safety_share": 0.01} if row.endswith(SMALL) else {})
    held = "random" if row.endswith(RANDOM) else "top"
    mask = folder_of("spa", seed, models).parent / f"{held}_x1.mask.safetensors" if method.needs_mask else None
    options = config.adapt.model_copy(update={"seed": seed})
    if method.is_mixed:
        steps = ceil(options.iterations / (1 - methods.safety_share))
        options = options.model_copy(update={"iterations": steps, "checkpoint_every": 0})
    given = config.calibration.harmful if method.safety else None
    safety = SafetyFiles(safety=given, held_out=config.suite.harmful if method.safety else ())
    assert config.task is not None
    if not (folder / "result.json").is_file():
        how = {"method": method.name, "method_options": methods.only(method.options), "safety": safety}
        tuning.adapt_model(config.model, mask, config.task, folder, options=options, **how)
    pieces.evaluate(config, str(folder / "model"), folder / "evaluation.json", task=True)
    keep(folder / "evaluation.json", result_of(row, seed))


Figures = Mapping[str, float | None]
"""Figures of a row in one seed, by their names."""


def measured(row: str) -> dict[int, Figures]:
    """Reads a row's figures on held-out verbs by seed, as far as they are measured."""
    paths = {seed: result_of(row, seed) for seed in SEEDS}
    return {seed: load_json(path)["heldout"] for seed, path in paths.items() if path.is_file()}


def gains(before: Mapping[int, Figures], after: Mapping[int, Figures], name: str = REFUSALS) -> list[float]:
    """Returns how much more of a figure one row has than another, in each seed that both have."""
    pairs = [(before[seed][name], after[seed][name]) for seed in before if seed in after]
    return [new - old for old, new in pairs if old is not None and new is not None]


def difference(before: Mapping[int, Figures], after: Mapping[int, Figures]) -> list[str]:
    """Writes the difference of coherent refusals with its interval over seeds, and in how many seeds it is above 0."""
    found = gains(before, after)
    if not found:
        return ["not measured", ""]
    return [with_interval(found), f"{sum(gain > 0 for gain in found)} of {len(found)}"]


def mean(row: Mapping[int, Figures], name: str) -> float | None:
    """Returns the mean of a figure over the seeds. None where a seed lacks it."""
    values = [each[name] for each in row.values()]
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def table() -> str:
    """Writes the means over seeds, and coherent refusals and the task score beside plain fine-tuning."""
    plain, rows = measured("plain"), []
    for row in ("start", *ROWS):
        found, name = measured(row), row if row == "start" else f"`{row}`"
        if not found:
            rows.append([name, "0", "not measured", *[""] * (len(COLUMNS) + 2)])
            continue
        means = [cell(mean(found, column)) for column in COLUMNS]
        task = f"{fmean(gains(plain, found, 'task')):+.3f}"
        beside = [*difference(plain, found), task] if row not in ("start", "plain") else ["", "", ""]
        rows.append([name, str(len(found)), *means, *beside])
    header = ["row", "seeds", *COLUMNS, "refusals minus plain", "more than plain", "task minus plain"]
    return markdown(header, rows)


def by_seed() -> str:
    """Writes coherent refusals and the task score of every row in every seed."""
    rows = []
    for row in ROWS:
        found = measured(row)
        cells = [
            f"{cell(found[seed][REFUSALS])} / {cell(found[seed]['task'])}" if seed in found else "" for seed in SEEDS
        ]
        rows.append([f"`{row}`", *cells])
    return markdown(["row", *(f"seed {seed}" for seed in SEEDS)], rows)


def pairs() -> str:
    """Writes coherent refusals of one row minus those of another."""
    rows = [[f"`{row}` minus `{other}`", *difference(measured(other), measured(row))] for row, other in PAIRS]
    return markdown(["rows", "coherent refusals", "seeds in which it is more"], rows)


OPENING = """\
# What keeps safety while a model is fine-tuned

`benchmarks/preservation.py` makes this page on the built-in models, which test the machinery and are no evidence about
larger models. The aligned model learns the built-in task in {steps} steps at a rate of {rate:g}, with {batch} exchanges
of the task in a step. That rate was [chosen on other verbs and the models of the first seed](hold_levers.md). A seed
trains the models anew, and orders the examples.

- Every row reads equally many exchanges of the task. `mixed`, `replay` and `spa+replay` read safety exchanges in
  addition, {share:.0%} of all (1% where the name ends in `@0.01`), and make more steps.
- `spa` holds the top 1% of the weights bit for bit and learns from no safety data. `spa random` holds as many random
  weights. [The other rows](../methods/preservation.md) are what people do instead.
- `mixed` learns the given refusals of 256 harmful prompts. `replay`, `kl`, `der` and `safegrad` read the start model's
  own answers to the same prompts, from which the mask of `spa` was scored too.
- The first three figures are shares of 256 harmful prompts with verbs that neither alignment nor any row learned
  from. All figures are means over the seeds.
- `refusals minus plain` is the difference of coherent refusals between a row and plain fine-tuning of the same seed:
  the mean, with its 95% interval by Student's t over the seeds, and then the number of seeds in which it is above 0.
- Compare rows of about equal task scores: a method that slows the task keeps safety more easily.
"""


def page() -> str:
    """Writes what is measured as Markdown."""
    config = config_of(0, Path())
    about = OPENING.format(
        steps=config.adapt.iterations,
        rate=config.adapt.learning_rate,
        batch=config.adapt.batch_size,
        share=config.methods.safety_share,
    )
    parts = [about, table(), "## Rows against each other\n", pairs()]
    parts += ["## Every seed\n\nCoherent refusals / task score.\n", by_seed()]
    conclusions = Path(__file__).with_suffix(".md")
    return "\n".join([*parts, conclusions.read_text(encoding="utf-8")])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is missing, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("demo-seeds"), help="folder of `seeds.py`")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="number of this process, and of all")
    parser.add_argument("--so-far", action="store_true", help="run nothing, and write what is measured")
    parser.add_argument("--table", type=Path, help="also write the page to this Markdown file")
    given = parser.parse_args(arguments)
    own = [(row, seed) for row in given.rows for seed in given.seeds if row not in OF_SEEDS]
    for row, seed in () if given.so_far else own[given.part[0] :: given.part[1]]:
        measure(row, seed, given.models)
        print(f"done {row} seed {seed}", file=sys.stderr, flush=True)
    if given.table:
        save_text(given.table, page())
    done = {row: sorted(measured(row)) for row in ROWS}
    print(json.dumps({"name": "preservation", "seeds": done}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
