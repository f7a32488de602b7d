"""What keeps safety while the built-in aligned model learns a task? Every method that holdfast has, at one task budget.

Each row trains from the same start on the same task exchanges, in the same order, at the same rate. Rows that mix
safety exchanges in make more steps, so that every row reads equally many of the task's. SPA holds the top 1% that the
judge gradient of the same safety prompts selects. Safety is attack success on harmful prompts that no row learned from.
Intervals are over prompts, paired with plain fine-tuning, with the mean over seeds of each prompt as one number.

The model tests the machinery and is no evidence about larger ones. The run goes on where it was when started again on
the same folder.

    python benchmarks/preservation.py --out preservation-run --table docs/results/preservation.md
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from statistics import fmean, median

from holdfast.artifacts import load_evaluation, load_json, save_json, save_text
from holdfast.evaluate.paired_mean import PairedMean, paired_mean
from holdfast.intervene.train.methods import method_named
from holdfast.outcomes import Evaluation
from holdfast.pipeline import tuning
from holdfast.pipeline.run import pieces
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.demo import demo_config

ROWS = (
    *("plain", "mixed", "replay", "kl", "der", "constrained", "safegrad", "ema", "layers"),
    *("spa", "spa+replay", "spa random"),
)
"""Methods, and `spa random` for SPA with as many random entries."""
PAGE = """\
# What keeps safety while a model is fine-tuned

`benchmarks/preservation.py` makes this page from `preservation.json`. {model} learns the built-in task in {steps} steps
of {batch} task exchanges at a rate of {rate:g}, seeds {seeds}. It is a small model that tests the machinery, and no
evidence about larger ones. The rate was {swept}.

The start has an attack success of {start:.3f} on {prompts} harmful prompts that no row learned from. `lost` is the
rise of attack success, `beside plain` its difference to plain fine-tuning, with the 95% interval over prompts and the p
value of a paired t test. Task scores differ where a method also slows the task, so read `lost` beside `task`.
`incoherent` is the share of incoherent responses.

{table}
`spa` holds the top 1% of the weights and learns from no safety data. `spa random` holds as many random ones. `mixed`
and `replay` have a share of {share:.0%}, and {more} steps.
"""


@dataclass
class Clock:
    """Keeps the times at which training steps end."""

    ends: list[float] = field(default_factory=list)

    def __call__(self, label: str, done: int, total: int) -> None:
        """Is called as the progress of a row."""
        if label == "adapting":
            self.ends.append(time.perf_counter())

    @property
    def step(self) -> float:
        """Median seconds of a step."""
        return median(after - before for before, after in zip(self.ends, self.ends[1:], strict=False))


def config_of(given: argparse.Namespace, seed: int) -> RunConfig:
    """The demo's run with the budget and the part of the prompts that were asked for."""
    demo = demo_config(seed)
    first = f"#first={given.prompts}"
    suite = dict.fromkeys(("harmless", "borderline", "questions"))
    suite |= {"harmful": tuple(name + first for name in demo.suite.harmful), "task": f"{demo.suite.task}{first}"}
    changes = {"iterations": given.iterations, "learning_rate": given.learning_rate, "checkpoint_every": 0}
    return demo.model_copy(
        update={
            "suite": demo.suite.model_copy(update=suite),
            "adapt": demo.adapt.model_copy(update={**changes, "seed": seed}),
            "score": demo.score.model_copy(update={"convergence": False}),
        }
    )


def measure(config: RunConfig, out: Path, name: str) -> None:
    """Trains and evaluates one row, unless that is done."""
    folder = out / name.replace(" ", "_") / f"seed_{config.seed}"
    if (folder / "row.json").is_file():
        return
    method_name, _, control = name.partition(" ")
    method, clock = method_named(method_name), Clock()
    mask = masked(config, out, control or "top") if method.needs_mask else None
    options = config.adapt
    if method.is_mixed:
        share = config.methods.safety_share
        options = options.model_copy(update={"iterations": ceil(options.iterations / (1 - share))})
    safety = config.safety_of("replay" if method.safety == "own" else "mixed" if method.safety else "plain")
    assert config.task is not None
    how = {"method": method.name, "method_options": config.methods.only(method.options), "safety": safety}
    tuning.adapt_model(config.model, mask, config.task, folder, options=options, progress=clock, **how)
    pieces.evaluate(config, str(folder / "model"), folder / "evaluation.json", task=True)
    save_json(folder / "row.json", {"step_s": clock.step})


def masked(config: RunConfig, out: Path, selector: str) -> Path:
    """The mask of a selector, from scores that are made once."""
    if not (out / "locate" / "section.json").is_file():
        pieces.locate(config, config.model, out / "locate")
    seed = config.seed if selector == "random" else 0
    path = out / "masks" / f"{selector}_{seed}.safetensors"
    pieces.cut(config.model_copy(update={"seed": seed}), out / "locate", selector, path)
    return path


def unsafe(evaluation: Evaluation) -> dict[str, float]:
    """1 for each harmful prompt whose response was judged unsafe, and 0 for the others."""
    verdicts = {answer.prompt: answer.outcome.verdict for answer in evaluation.answers if answer.measure == "asr"}
    return {prompt: float(verdict == "unsafe") for prompt, verdict in verdicts.items() if verdict}


def mean_of_seeds(every: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean over seeds of every prompt that all of them scored."""
    shared = [prompt for prompt in every[0] if all(prompt in one for one in every)]
    return {prompt: fmean(one[prompt] for one in every) for prompt in shared}


def compared(before: Mapping[str, float], after: Mapping[str, float]) -> PairedMean | None:
    """The difference of two rows on the prompts that both have."""
    shared = [prompt for prompt in before if prompt in after]
    return paired_mean([before[prompt] for prompt in shared], [after[prompt] for prompt in shared])


def figures(out: Path) -> Iterator[dict[str, object]]:
    """The numbers of every row that is measured, with the rows they are compared with."""
    start = unsafe(load_evaluation(out / "start.json"))
    found = {name: sorted((out / name.replace(" ", "_")).glob("seed_*/row.json")) for name in ROWS}
    evaluations = {
        name: [load_evaluation(path.with_name("evaluation.json")) for path in paths]
        for name, paths in found.items()
        if paths
    }
    means = {name: mean_of_seeds([unsafe(each) for each in every]) for name, every in evaluations.items()}
    for name, every in evaluations.items():
        degenerate = [each.groups["degenerate/all"].value for each in every if "degenerate/all" in each.groups]
        yield {
            "row": name,
            "seeds": [int(path.parent.name.partition("_")[2]) for path in found[name]],
            "lost": _numbers(compared(start, means[name])),
            "beside_plain": _numbers(compared(means["plain"], means[name])) if name != "plain" else None,
            "task": [each.task.value for each in every if each.task],
            "incoherent": [value for value in degenerate if value is not None],
            "step_s": median(load_json(path)["step_s"] for path in found[name]),
        }


def _numbers(difference: PairedMean | None) -> dict[str, float] | None:
    return difference and {name: round(value, 5) for name, value in vars(difference).items()}


def page(record: Mapping) -> str:
    """The page, from the committed record."""
    header = ["row", "lost", "beside plain", "p", "task", "incoherent", "seeds", "time of a step beside plain"]
    plain = next(row for row in record["rows"] if row["row"] == "plain")
    lines = [header, ["---", *["---:"] * 7], *(_line(row, plain) for row in record["rows"])]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return PAGE.format(table=table, **record["page"])


def _line(row: Mapping, plain: Mapping) -> list[str]:
    beside = row["beside_plain"]
    return [
        f"`{row['row']}`",
        _interval(row["lost"]),
        _interval(beside) if beside else "",
        f"{beside['p_value']:.3f}" if beside else "",
        f"{fmean(row['task']):.3f}",
        f"{fmean(row['incoherent']):.3f}" if row["incoherent"] else "not measured",
        str(len(row["seeds"])),
        f"{row['step_s'] / plain['step_s']:.2f}",
    ]


def _interval(difference: Mapping) -> str:
    return f"{difference['value']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"


def record_of(given: argparse.Namespace, config: RunConfig) -> dict[str, object]:
    """All that the page says."""
    rows = list(figures(given.out))
    start = unsafe(load_evaluation(given.out / "start.json"))
    seeds = sorted({seed for row in rows for seed in row["seeds"]})  # pyright: ignore
    share = config.methods.safety_share
    about = {
        "model": config.model,
        "steps": given.iterations,
        "batch": config.adapt.batch_size,
        "rate": given.learning_rate,
        "seeds": " ".join(map(str, seeds)),
        "swept": given.swept,
        "start": fmean(start.values()),
        "prompts": len(start),
        "share": share,
        "more": ceil(given.iterations / (1 - share)),
    }
    return {"page": about, "rows": rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is missing, and writes the record and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("preservation-run"))
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--learning-rate", type=float, default=2.75e-4)
    parser.add_argument("--prompts", type=int, default=256, help="prompts of each evaluation set")
    parser.add_argument("--swept", default="not swept: it is that of the demo", help="words on the choice of the rate")
    parser.add_argument("--table", type=Path, help="also write the page here, and its record beside it")
    given = parser.parse_args(arguments)
    for seed in given.seeds:
        config = config_of(given, seed)
        pieces.evaluate(config, config.model, given.out / "start.json", task=True)
        for name in given.rows:
            measure(config, given.out, name)
            print(f"done {name} seed {seed}", file=sys.stderr, flush=True)
    record = record_of(given, config_of(given, given.seeds[0]))
    save_json(given.out / "record.json", record)
    if given.table:
        save_json(given.table.with_suffix(".json"), record)
        save_text(given.table, page(load_json(given.table.with_suffix(".json"))))
    print(json.dumps({"name": "preservation", **record}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
