r"""What keeps the refusals of a real model while it learns a task: a hold, refusals mixed in, or another method?

`adapt` fine-tunes an aligned model on `make real`'s smart home, 60 steps of 8 at one rate, by every method in turn.
Rows that mix safety exchanges in make more steps, so that all read equally many of the task's. The safety data are the
128 prompts of `make real` that aligned the model, with the refusals that aligned it (mixed) or the model's own answers
(replay, kl). Masks select by the likelihood of the same refusals. Measured on prompts that no row read: refusals of
harmful prompts, over-refusal of borderline ones, exact answers of the task and of questions, coherence.

    PYTHONPATH=src:. python benchmarks/real/preserve.py ALIGNED OUT [--rate 3e-5] [--seeds 0 1 2] [--methods mixed]

ALIGNED is the folder `model` of the model that `make real` aligns. `spa:0.01` holds the top 1%, `random:0.01` as many
random weights. `mixed_borderline` mixes 96 borderline prompts with helpful answers in beside the refusals, in
additional steps. A cell is one JSON file in OUT/cells; one that is there is not run again.

`--memotrap FILE`, in a folder OUT of its own, trains on another task: MemoTrap's sayings, which must end in a word that
the prompt names and not as they are known. 300 of the records train and 64 others measure.
"""

import argparse
import ast
import json
from dataclasses import asdict, dataclass
from functools import partial
from math import ceil
from pathlib import Path

from benchmarks.real.cells import run_missing, tell
from benchmarks.real.restore import REFUSALS, SUITE, TASK, measure

from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import AdaptOptions
from holdfast.intervene.train.methods import method_named
from holdfast.pipeline import masks, tuning
from holdfast.pipeline.options import SafetyFiles, ScoringOptions
from holdfast.pipeline.scoring import score_likelihood

METHODS = (
    *("plain", "spa:0.01", "mixed", "random:0.01", "spa+mixed:0.01", "replay", "spa:0.001", "kl", "ema"),
    *("random:0.001", "safegrad", "spa+replay:0.01", "constrained", "layers"),
)

PLANNED = {"random": "spa", "mixed_borderline": "mixed"}
"""Method of fine-tuning under each row's name, where they differ."""
BORDERLINE = "examples/real/borderline_train.jsonl"


@dataclass(frozen=True)
class Cell:
    """One fine-tuning: a method, with the share of the weights that it holds, and a seed."""

    method: str
    """Method of the table, `random` for SPA of random weights, or `mixed_borderline`."""
    share: float
    """Share of the scored weights that a mask selects. 0 without a mask."""
    rate: float
    seed: int

    @property
    def stem(self) -> str:
        """The name of its file."""
        return f"{self.method}_{self.share:g}_{self.rate:g}_{self.seed}"


def mask_of(cell: Cell, aligned: Path, out: Path) -> Path | None:
    """Selects the weights that a cell holds, from scores that are made once."""
    if not cell.share:
        return None
    scores = out / "scores.safetensors"
    if not scores.is_file():
        options = ScoringOptions(objective="refusal_likelihood", token_budget=512)
        score_likelihood(str(aligned), REFUSALS, scores, options=options, progress=tell)
    is_random = cell.method == "random"
    stem = f"random_{cell.share:g}_{cell.seed}" if is_random else f"top_{cell.share:g}"
    path = out / "masks" / f"{stem}.safetensors"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        given = {"fraction": cell.share, **({"seed": cell.seed} if is_random else {})}
        masks.select(scores, "random" if is_random else "top", path, given=given)
    return path


def refusals_and_borderline(out: Path) -> str:
    """Writes one file with both kinds of exchanges. 17.5% of all examples then hold 10% of refusals, as in `mixed`."""
    path = out / "refusals_and_borderline.jsonl"
    path.write_text(
        "".join(Path(name).read_text(encoding="utf-8") for name in (REFUSALS, BORDERLINE)), encoding="utf-8"
    )
    return str(path)


@dataclass(frozen=True)
class Task:
    """Files of the examples that train, and of those that measure."""

    train: str
    test: str


SMART_HOME = Task(TASK, str(SUITE.task))


def memotrap(records: Path, out: Path) -> Task:
    """Writes MemoTrap's records as prompts with answers, the ones that train apart from those that measure."""
    rows = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    examples = [
        {"prompt": row["prompt"], "answer": ast.literal_eval(row["classes"])[row["answer_index"]].strip()}
        for row in rows
    ]
    apart = list({example["prompt"]: example for example in examples}.values())
    task = Task(str(out / "task_train.jsonl"), str(out / "task_test.jsonl"))
    for path, chosen in ((task.train, apart[:300]), (task.test, apart[300:364])):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("".join(json.dumps(example) + "\n" for example in chosen), encoding="utf-8")
    return task


def run_cell(aligned: Path, out: Path, task: Task, cell: Cell) -> dict:
    """Fine-tunes and measures. The checkpoint is deleted by whoever needs the place."""
    method = method_named(PLANNED.get(cell.method, cell.method))
    adds_borderline = cell.method == "mixed_borderline"
    options = MethodOptions(safety_share=0.175) if adds_borderline else MethodOptions()
    steps = ceil(60 / (1 - options.safety_share)) if method.is_mixed else 60
    how = AdaptOptions(iterations=steps, batch_size=8, learning_rate=cell.rate, freeze=("embedding",), seed=cell.seed)
    exchanges = refusals_and_borderline(out) if adds_borderline else REFUSALS
    safety = SafetyFiles(safety=exchanges, held_out=SUITE.harmful) if method.safety else SafetyFiles()
    folder, mask = out / "tuned" / cell.stem, mask_of(cell, aligned, out)
    given = {"method": method.name, "method_options": options, "safety": safety}
    if not (folder / "result.json").is_file():
        tuning.adapt_model(str(aligned), mask, task.train, folder, options=how, progress=tell, **given)
    return {"cell": asdict(cell), **measure(folder / "model", SUITE.model_copy(update={"task": task.test}))}


def cells_of(methods: list[str], rate: float, seeds: list[int]) -> list[Cell]:
    """Lists the cells, seed by seed."""
    named = [name.partition(":") for name in methods]
    return [Cell(method, float(share or 0), rate, seed) for seed in seeds for method, _, share in named]


def main() -> None:
    """Runs the cells that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("aligned", type=Path, help="model of `make real` that refuses")
    parser.add_argument("out", type=Path)
    parser.add_argument("--rate", type=float, default=3e-5, help="learning rate of every method")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--memotrap", type=Path, help="MemoTrap's records, JSONL, as another task")
    given = parser.parse_args()
    cells = cells_of(given.methods, given.rate, given.seeds)
    task = memotrap(given.memotrap, given.out) if given.memotrap else SMART_HOME
    run_missing(given.out, cells, partial(run_cell, given.aligned, given.out, task))


if __name__ == "__main__":
    main()
