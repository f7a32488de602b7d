r"""How much lost safety comes back on a real model when few weights get the aligned model's values?

`adapt` fine-tunes an aligned model plainly on `make real`'s smart home. `restore` then puts weights back, chosen by
their effect on refusals, by scores of the aligned model, or at random. Measured on prompts that made no score and
trained no model: refusals of harmful prompts, over-refusal of borderline ones, exact answers of the task, perplexity of
right answers to questions, and that reverting the patch gives the tuned file's bytes.
Bars: at least 80% of the lost refusals back with at most 1% of the weights, the task down by at most 0.02, and at most
20% back by a random 1%.

    PYTHONPATH=src:. python benchmarks/real/restore.py ALIGNED OUT [--rate 3e-5]

ALIGNED is the folder `model` of the model that `make real` aligns. A cell is one JSON file in OUT/cells; one that is
there is not run again.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks.real.cells import letter, run_missing, tell

from holdfast.evaluate.suite import evaluate
from holdfast.intervene.options import AdaptOptions
from holdfast.intervene.patch.restore_options import RestoreOptions
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.pipeline import patching, tuning
from holdfast.pipeline.options import ScoringOptions, SuiteFiles
from holdfast.pipeline.restoring import restore
from holdfast.pipeline.scoring import score_likelihood
from holdfast.pipeline.suites import load_suite

EXAMPLES = Path("examples/real")
TASK = str(EXAMPLES / "task_train.jsonl")
REFUSALS = str(EXAMPLES / "harmful_train.jsonl")
SUITE = SuiteFiles(
    harmful=(str(EXAMPLES / "harmful_test.jsonl"),),
    borderline=str(EXAMPLES / "borderline_test.jsonl"),
    questions=str(EXAMPLES / "questions_test.jsonl"),
    task=str(EXAMPLES / "task_test.jsonl"),
)


@dataclass(frozen=True)
class Cell:
    """One model: aligned, tuned, or the tuned one with weights put back."""

    selector: str
    """aligned, tuned, effect, top or random. `effect, task spared` halves the number until the task's own examples
    suffer by at most the default margin."""
    fraction: float = 0.0

    @property
    def stem(self) -> str:
        """The name of its file."""
        name = self.selector.replace(", ", "-").replace(" ", "_")
        return f"{name}_{self.fraction:g}" if self.fraction else name


SPARED = "effect, task spared"
CELLS = (
    Cell("aligned"),
    Cell("tuned"),
    *(Cell(selector, fraction) for fraction in (0.003, 0.01, 0.001) for selector in ("effect", "random", "top")),
    Cell(SPARED, 0.01),
)


def measure(model: Path, files: SuiteFiles = SUITE) -> dict:
    """Measures a checkpoint. The refusal rules read 32 tokens of each response, as in `make real`."""
    found = evaluate(load_model(model), None, load_suite(files), GenerateOptions(max_new_tokens=32), tell, made_by={})
    kinds = ("refusal", "borderline", "task", "utility")
    outcomes = {kind: "".join(letter(one) for one in found.answers if one.measure == kind) for kind in kinds}
    rates = {name: asdict(rate) for name, rate in found.rates.items() if not name.startswith("cut_off/")}
    return {"rates": rates, "outcomes": outcomes}


def tuned_model(aligned: Path, out: Path, rate: float) -> Path:
    """Fine-tunes plainly, unless that is done."""
    folder = out / "tuned"
    if not (folder / "result.json").is_file():
        options = AdaptOptions(iterations=60, batch_size=8, learning_rate=rate, freeze=("embedding",))
        tuning.adapt_model(str(aligned), None, TASK, folder, options=options, progress=tell)
    return folder / "model"


def options_of(cell: Cell, aligned: Path, out: Path) -> RestoreOptions:
    """Returns the options of `restore` for a cell. The scores of `top` are made once."""
    if cell.selector == "effect":
        return RestoreOptions(selector="effect", fraction=cell.fraction, refusals=REFUSALS)
    if cell.selector == SPARED:
        return RestoreOptions(selector="effect", fraction=cell.fraction, refusals=REFUSALS, task=TASK)
    if cell.selector == "random":
        return RestoreOptions(selector="random", fraction=cell.fraction)
    scores = out / "scores.safetensors"
    if not scores.is_file():
        options = ScoringOptions(objective="refusal_likelihood", token_budget=512)
        score_likelihood(str(aligned), REFUSALS, scores, options=options, progress=tell)
    return RestoreOptions(selector="top", fraction=cell.fraction, scores=scores)


def run_cell(aligned: Path, out: Path, rate: float, cell: Cell) -> dict:
    """Restores, measures and reverts."""
    if cell.selector == "aligned":
        return {"cell": asdict(cell), **measure(aligned)}
    tuned = tuned_model(aligned, out, rate)
    if cell.selector == "tuned":
        return {"cell": asdict(cell), "rate": rate, **measure(tuned)}
    folder = out / cell.stem
    if not (folder / "patch.safetensors").is_file():
        restore(aligned, tuned, folder, options_of(cell, aligned, out), tell)
    done = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    back, file = folder / "reverted", "model.safetensors"
    patching.revert_to_folder(str(folder / "model"), folder / "patch.safetensors", back)
    same = (back / file).read_bytes() == (tuned / file).read_bytes()
    counts = {name: done[name] for name in ("restored", "moved", "scored")}
    return {"cell": asdict(cell), **counts, "reverts": same, **measure(folder / "model")}


def main() -> None:
    """Runs the cells that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("aligned", type=Path, help="model of `make real` that refuses")
    parser.add_argument("out", type=Path)
    parser.add_argument("--rate", type=float, default=3e-5, help="learning rate of the plain fine-tuning")
    options = parser.parse_args()
    run_missing(options.out, CELLS, partial(run_cell, options.aligned, options.out, options.rate))


if __name__ == "__main__":
    main()
