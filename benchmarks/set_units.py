"""SET by neurons against SET by weights, at equally many trained weights, on the built-in models in five seeds.

Measured after SET of the base, on verbs that alignment never saw: coherent refusals, incoherent answers, over-refusal,
borderline prompts refused, utility, and the coherent refusals that 100,000 trained weights add. A mask of neurons holds
their rows of gate_proj and up_proj and their columns of down_proj, as many whole neurons as fit into 1% of the scored
weights. Neurons are scored by the likelihood of the demo's refusals (integrated gradients; gradient times activation),
or by activations on harmful prompts against those on harmless ones (CNA's contrast, NeST's probe).
Against: the top 1% of the weights by ESI of the same refusals, and as many random weights and random neurons. The
training is the demo's, at its rate and at three times it, so that no unit is judged at the other's best rate alone.
A seed trains the base anew, and draws order and random masks. The figures of every cell are kept in
`set_units_results`, one JSON file each, and a cell that has its file is not measured again.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from coherent import COLUMNS, figures, markdown, with_interval
from seeds import config_of

from holdfast.artifacts import load_evaluation, load_mask, save_json, save_text
from holdfast.models.mlps import PARTS
from holdfast.pipeline import masks, scoring, tuning
from holdfast.pipeline.bakeoff_neurons import neuron_fraction
from holdfast.pipeline.options import NeuronOptions, ScoringOptions, SuiteFiles
from holdfast.pipeline.run import pieces
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.demo import demo_config
from holdfast.pipeline.run.layout import enhance_options
from holdfast.pipeline.scoring_spec import ScoringSpec
from holdfast.testbed import train

SEEDS, FACTORS, FRACTION = (0, 1, 2, 3, 4), (1.0, 3.0), 0.01
HARMLESS = "testbed:harmless_exchanges#first=256"
"""Prompts whose activations contrast and probe compare with those on the refused prompts."""
RESULTS = Path(__file__).with_name("set_units_results")
SHOWN = tuple(column for column in COLUMNS if column not in ("attack success, coherent", "task"))
TRAINED, REFUSALS = "trained weights", "coherent refusals"


@dataclass(frozen=True)
class Units:
    """Units that SET trains: how they are scored and selected."""

    name: str
    method: str
    selector: str = "top"
    of_neurons: bool = True


ARMS = (
    Units("weights: ESI", "esi", of_neurons=False),
    Units("weights: random", "esi", "random", of_neurons=False),
    Units("neurons: integrated gradients", "integrated_gradients"),
    Units("neurons: gradient times activation", "gradient_times_activation"),
    Units("neurons: contrast", "contrast"),
    Units("neurons: probe", "probe"),
    Units("neurons: random", "integrated_gradients", "random"),
)


@dataclass(frozen=True)
class Cell:
    """One fine-tuning: units under a seed, at a multiple of the demo's rate."""

    units: Units
    seed: int
    factor: float

    @property
    def name(self) -> str:
        """Name of its folder and file, below the seed's."""
        units = self.units.name.replace(": ", "-").replace(" ", "_")
        return f"seed_{self.seed}/{units}_x{self.factor:g}"

    @property
    def result(self) -> Path:
        """File of its figures."""
        return RESULTS / f"{self.name}.json"

    def figures(self) -> dict[str, float]:
        """Reads its figures."""
        return json.loads(self.result.read_text(encoding="utf-8"))


def base_of(seed: int, out: Path) -> RunConfig:
    """Returns the demo's config with the base of a seed, which it trains first where it is not there yet."""
    models = out / f"seed_{seed}" / "models"
    if seed and not (models / "unaligned").is_dir():
        train.make(("unaligned",), models, seed)
    return config_of(seed, out)


def score(config: RunConfig, units: Units, path: Path) -> None:
    """Scores the base's weights or neurons by the demo's refusals."""
    assert config.unaligned is not None
    assert config.refusals is not None
    against = HARMLESS if units.method in ("contrast", "probe") else None
    refusals = f"{config.refusals.refusals}#first=256"
    spec = ScoringSpec(model=config.unaligned, prompts=refusals, out=path, seed=config.seed,
                       options=ScoringOptions(objective="refusal_likelihood", method=units.method),
                       neurons=NeuronOptions(unit="neuron", against=against) if units.of_neurons else NeuronOptions(),
                       )  # fmt: skip
    scoring.score_model(spec)


def select(config: RunConfig, units: Units, scores: Path, path: Path) -> None:
    """Selects the units: 1% of the scored weights, or the whole neurons that fit into it."""
    assert config.unaligned is not None
    fraction = neuron_fraction(config.unaligned, FRACTION) if units.of_neurons else FRACTION
    given = {"fraction": fraction, **({"seed": config.seed} if units.selector == "random" else {})}
    weights = masks.WeightsOf(config.unaligned, PARTS) if units.of_neurons else None
    masks.select(scores, units.selector, path, given=given, weights=weights)


def measure(one: Cell, out: Path) -> None:
    """Scores, selects, tunes and evaluates, and keeps the figures."""
    config, folder = base_of(one.seed, out), out / one.name
    scores = folder.parent / "scores" / f"{one.units.method}.safetensors"
    mask, tuned = folder / "mask.safetensors", folder / "tuned"
    scores.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    if not scores.is_file():
        score(config, one.units, scores)
    if not mask.is_file():
        select(config, one.units, scores, mask)
    usual = enhance_options(config, "top")
    options = usual.model_copy(update={"learning_rate": usual.learning_rate * one.factor, "seed": one.seed})
    assert config.unaligned is not None
    assert config.refusals is not None
    if not (tuned / "result.json").is_file():
        tuning.enhance_model(config.unaligned, mask, config.refusals, tuned, options=options)
    suite = SuiteFiles(
        harmful=("testbed:harmful_heldout",),
        harmless="testbed:harmless#first=128",
        borderline="testbed:borderline",
        questions="testbed:questions#first=128",
    )
    asked = config.model_copy(update={"suite": suite})
    pieces.evaluate(asked, str(tuned / "model"), folder / "evaluation.json", task=False)
    found = zip(COLUMNS, figures(load_evaluation(folder / "evaluation.json")), strict=True)
    one.result.parent.mkdir(parents=True, exist_ok=True)
    save_json(one.result, {TRAINED: len(load_mask(mask)), **{name: value for name, value in found if name in SHOWN}})


def row(units: Units, factor: float) -> list[str] | None:
    """One row: means over the seeds that are measured. None where none is."""
    found = [one.figures() for seed in SEEDS if (one := Cell(units, seed, factor)).result.is_file()]
    if not found:
        return None
    trained = fmean(each[TRAINED] for each in found)
    gained = fmean(each[REFUSALS] / each[TRAINED] * 1e5 for each in found)
    columns = [with_interval([each[name] for each in found]) for name in SHOWN]
    return [units.name, str(len(found)), f"{trained:,.0f}", *columns, f"{gained:.1f}"]


def differences(factor: float) -> list[list[str]]:
    """Coherent refusals of every unit minus those of the weights by ESI, paired by seed."""
    lines = []
    for units in ARMS[1:]:
        pairs = [(Cell(units, seed, factor), Cell(ARMS[0], seed, factor)) for seed in SEEDS]
        found = [one.figures()[REFUSALS] - other.figures()[REFUSALS] for one, other in pairs
                 if one.result.is_file() and other.result.is_file()]  # fmt: skip
        if found:
            lines.append([units.name, str(len(found)), with_interval(found)])
    return lines


def page() -> str:
    """Writes what is measured as Markdown."""
    parts = [OPENING]
    rate = demo_config(0).enhance.learning_rate
    for factor in FACTORS:
        rows = [line for units in ARMS if (line := row(units, factor))]
        if rows:
            header = ["trained", "seeds", "trained weights", *SHOWN, "gained per 100,000"]
            parts.append(f"## Learning rate {rate * factor:g}\n\n{markdown(header, rows)}")
            header = ["trained", "seeds", "coherent refusals, minus those of weights by ESI"]
            parts.append(markdown(header, differences(factor)))
    if CONCLUSIONS.is_file():
        parts.append(CONCLUSIONS.read_text(encoding="utf-8"))
    return "\n".join(parts)


CONCLUSIONS = Path(__file__).with_suffix(".md")
OPENING = """\
# SET by neurons and by weights

`benchmarks/set_units.py` makes this page. The built-in models test the machinery and are no evidence about larger
models. A seed trains the models anew, orders the examples and draws the random masks.

- Every row trains at most 1% of the scored weights of the base for 100 steps. A [neuron](../methods/neurons.md) brings
  its rows of `gate_proj` and `up_proj` and its column of `down_proj`, so a mask of neurons holds whole neurons.
- Coherent refusals are shares of the harmful prompts with verbs that alignment never saw. The base refuses none.
- The last column divides them by the number of trained weights, in 100,000.
- Intervals are at 95% over seeds, by Student's t.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cells that are missing, seed by seed, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo-units"), help="folder of models, scores and masks")
    parser.add_argument("--table", type=Path, help="also write the page to this Markdown file")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="number of seeds, from the first")
    options = parser.parse_args(arguments)
    for seed in SEEDS[: options.seeds]:
        for factor in FACTORS:
            for units in ARMS:
                one = Cell(units, seed, factor)
                if not one.result.is_file():
                    measure(one, options.out)
                    print(f"done {one.name}", file=sys.stderr, flush=True)
    if options.table:
        save_text(options.table, page())
    print(json.dumps({"name": "set_units", "figures": {units.name: row(units, 1.0) for units in ARMS}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
