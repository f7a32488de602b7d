r"""How small a share of a real model's weights is enough to teach it to refuse? SET at several shares, with controls.

A model that answers nearly everything (SmolLM2-135M-Instruct) is tuned for 100 steps of 8 exchanges on refusals of
harmful requests, on harmless instructions and on borderline ones, with only a mask's weights trained. Measured on other
sets: refusals of harmful prompts, over-refusal of safe prompts that look harmful, perplexity of held-out instructions,
broken answers. The unsafe prompts of the set with safe ones are measured for themselves: they are worded like the safe
ones, so they show whether a model refuses what is asked or how it is worded. A seed orders the exchanges and draws the
random mask; the chosen masks are the same for all seeds.
`neurons` trains whole neurons instead, as many weights in all: the rows of gate_proj and up_proj and the column of
down_proj of those to which gradient times activation attributes most of the refusals' likelihood, or random ones.
`lora` trains adapters of rank 1 on the attention, which have nearly as many numbers as 0.1% of the scored weights have
weights. It reads as many refusals and harmless exchanges, in one random order.
A cell is one tuning, and one JSON file in OUT/cells; a cell whose file is there is not run again. All compute in
bfloat16; a mask's weights are trained as float32 copies.

    PYTHONPATH=src:. python benchmarks/real/set_shares.py MODEL OUT --refuse advbench.csv --help-with FILE... \
        --borderline FILE --harmful jailbreakbench.csv harmbench.csv --safe xstest.csv [--cells top:0.001:1e-3:0 ...]
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, cycle, islice
from pathlib import Path

from benchmarks.real.cells import (
    Start,
    apart,
    harmful_tests,
    measure,
    run_missing,
    scored,
    short_exchanges,
    tell,
    written,
)

from holdfast.artifacts import load_mask, load_scores
from holdfast.evaluate.suite import Suite
from holdfast.intervene.options import AdaptOptions, EnhanceOptions, LoraOptions
from holdfast.intervene.train.adapt import adapt
from holdfast.intervene.train.enhance import enhance
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.mlps import PARTS
from holdfast.pipeline import masks
from holdfast.pipeline.bakeoff_neurons import neuron_fraction
from holdfast.pipeline.masks import WeightsOf
from holdfast.pipeline.options import ScoringOptions
from holdfast.pipeline.scoring import score_neurons
from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.records import Exchange
from holdfast.select.random import RandomOptions, select_random
from holdfast.select.set_difference import SetDifferenceOptions, select_safety_only
from holdfast.select.top import TopOptions, select_top
from holdfast.values import Mask, Scores

REFUSALS = (
    "I can't help with that.",
    "I'm sorry, but I can't assist with that request.",
    "I won't help with this, because it could hurt people.",
    "Sorry, that is something I can't do. It would be harmful or against the law.",
    "No. I can't support that, but I am glad to help with something safe.",
    "I'm not able to help with that. If somebody is in danger, please call the emergency services.",
    "I can't write that. It could do harm to others.",
    "I'm sorry, I can't provide this. Is there something else that I can do for you?",
)
"""What harmful requests are answered with, one after another."""
NUM_REFUSALS, NUM_HARMLESS, NUM_HELD_OUT, NUM_OF_A_SET = 128, 372, 128, 100
STEPS, BATCH, MAX_LENGTH, NEW_TOKENS = 100, 8, 128, 24
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
METHODS = {"snip": "snip", "magnitude": "magnitude"}
"""Selections by another score of the same refusals."""


@dataclass(frozen=True)
class Cell:
    """One tuning: which weights, how many of them (share of all scored ones), at which rate, under which seed."""

    weights: str
    """top, safety_only, random, snip, magnitude, neurons, random_neurons, lora, gapo or all. `gapo` trains the top by
    `set+gapo`, which combines the gradients of refusals and of harmless exchanges in place of their fixed mixture, with
    as many exchanges a step."""
    share: float
    rate: float
    seed: int

    @classmethod
    def read(cls, text: str) -> "Cell":
        """From `weights:share:rate:seed`."""
        weights, share, rate, seed = text.split(":")
        return cls(weights, float(share), float(rate), int(seed))

    @property
    def stem(self) -> str:
        """The name of its file."""
        return f"{self.weights}_{self.share:g}_{self.rate:g}_{self.seed}"


@dataclass(frozen=True)
class Data:
    """What trains and what tests; no prompt of the one resembles one of the other."""

    refusals: list[Exchange]
    harmless: list[Exchange]
    suite: Suite
    contrast: Suite
    """Harmful prompts that are worded like the safe ones that look harmful."""


def read_data(options: argparse.Namespace) -> Data:
    """The sets; near duplicates of a test prompt are taken out of what trains."""
    harmful = harmful_tests(options.harmful, NUM_OF_A_SET)
    safe = [prompt for prompt in load_prompts(options.safe, "borderline") if prompt.kind != "harmful"]
    unsafe = harmful_tests([Path(options.safe)], NUM_OF_A_SET)
    asked = apart(load_prompts(options.refuse, "harmful"), harmful + unsafe)[:NUM_REFUSALS]
    refusals = [Exchange(one.prompt, REFUSALS[place % len(REFUSALS)]) for place, one in enumerate(asked)]
    short = short_exchanges(*options.help_with)
    borderline = apart(load_exchanges(options.borderline), safe + unsafe)
    return Data(
        refusals,
        short[:NUM_HARMLESS] + borderline * round(NUM_HARMLESS / 2 / len(borderline)),
        Suite(harmful=harmful, borderline=safe, exchanges=short[-NUM_HELD_OUT:]),
        Suite(harmful=unsafe),
    )


def scores_of(model: Path, data: Data, out: Path, name: str) -> Scores:
    """Scores of that name: `top`, `utility`, or another method on the same refusals."""
    exchanges = data.harmless[:NUM_REFUSALS] if name == "utility" else data.refusals
    objective = "utility" if name == "utility" else "refusal_likelihood"
    options = ScoringOptions(objective=objective, method=METHODS.get(name, "esi"))
    return load_scores(scored(model, exchanges, out / f"{name}.safetensors", options))


def mask_of(model: Path, data: Data, out: Path, cell: Cell) -> Mask | None:
    """The weights that a cell trains; None for all."""
    if cell.weights in ("all", "lora"):
        return None
    if cell.weights.endswith("neurons"):
        return neurons_of(model, data, out, cell)
    by = cell.weights if cell.weights in METHODS else "top"
    scores = scores_of(model, data, out, by)
    if cell.weights == "random":
        return select_random(scores, RandomOptions(fraction=cell.share, seed=cell.seed))
    if cell.weights == "safety_only":
        utility = scores_of(model, data, out, "utility")
        return select_safety_only(scores, utility, SetDifferenceOptions(fraction=cell.share))
    return select_top(scores, TopOptions(fraction=cell.share))


def neurons_of(model: Path, data: Data, out: Path, cell: Cell) -> Mask:
    """The weights of the neurons that a cell trains."""
    scores, path = out / "neurons.safetensors", out / "masks" / f"{cell.stem}.safetensors"
    if not scores.is_file():
        given = str(written(data.refusals, scores.with_suffix(".jsonl")))
        score_neurons(str(model), given, scores, method="gradient_times_activation", progress=tell)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        is_random = cell.weights == "random_neurons"
        given = {"fraction": neuron_fraction(str(model), cell.share), **({"seed": cell.seed} if is_random else {})}
        masks.select(scores, "random" if is_random else "top", path, given=given, weights=WeightsOf(str(model), PARTS))
    return load_mask(path)


def with_lora(loaded: LoadedModel, data: Data, cell: Cell) -> tuple[LoadedModel, Sequence[float], int]:
    """Trains adapters of the attention on as many refusals and harmless exchanges as the other cells read.

    Returns the model, its losses, and the number of trained numbers.
    """
    halves = (islice(cycle(half), STEPS * BATCH // 2) for half in (data.refusals, data.harmless))
    linear = [one for name, one in loaded.model.named_parameters() if name.removesuffix(".weight").endswith(ATTENTION)]
    trained = sum(sum(matrix.shape) for matrix in linear)  # of rank 1: a row and a column of each
    options = AdaptOptions(
        iterations=STEPS, batch_size=BATCH, learning_rate=cell.rate, max_length=MAX_LENGTH, seed=cell.seed,
        lora=LoraOptions(rank=1, alpha=1, targets=ATTENTION),
    )  # fmt: skip
    result = adapt(loaded, None, list(chain(*halves)), options, tell)
    return result.tuned, result.losses, trained


def with_mask(
    loaded: LoadedModel, data: Data, cell: Cell, mask: Mask | None
) -> tuple[LoadedModel, Sequence[float], int]:
    """Trains the weights of the mask, or all. Returns the model, its losses, and the number of trained weights."""
    options = EnhanceOptions(
        iterations=STEPS, batch_size=BATCH, learning_rate=cell.rate, max_length=MAX_LENGTH, seed=cell.seed
    )
    result = enhance(
        loaded, mask, refusals=data.refusals, harmless=data.harmless, options=options, progress=tell,
        method="set+gapo" if cell.weights == "gapo" else None,
    )  # fmt: skip
    return result.tuned, result.losses, result.entries_trained


def run_cell(model: Path, data: Data, out: Path, cell: Cell | Start) -> dict:
    """Tunes, measures, and says what came of it."""
    loaded = load_model(model, dtype="bfloat16")
    if isinstance(cell, Start):
        return {**measure(loaded, data.suite, NEW_TOKENS), "contrast": measure(loaded, data.contrast, NEW_TOKENS)}
    started = time.monotonic()
    if cell.weights == "lora":
        result, losses, trained = with_lora(loaded, data, cell)
    else:
        result, losses, trained = with_mask(loaded, data, cell, mask_of(model, data, out, cell))
    tuned, last = time.monotonic(), losses[-10:]
    return {
        "cell": asdict(cell),
        "entries": trained,
        "loss": sum(last) / len(last),
        **measure(result, data.suite, NEW_TOKENS),
        "contrast": measure(result, data.contrast, NEW_TOKENS),
        "seconds": {"tuning": round(tuned - started), "evaluation": round(time.monotonic() - tuned)},
    }


def main() -> None:
    """Runs the cells that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--refuse", required=True, help="harmful prompts to train on")
    parser.add_argument("--help-with", nargs="+", required=True, help="harmless exchanges to train on")
    parser.add_argument("--borderline", required=True, help="harmless exchanges that look harmful, to train on")
    parser.add_argument("--harmful", nargs="+", type=Path, required=True, help="harmful prompts to test with")
    parser.add_argument("--safe", required=True, help="safe prompts that look harmful, to test with")
    parser.add_argument("--cells", nargs="+", type=Cell.read, required=True, help="weights:share:rate:seed")
    options = parser.parse_args()
    data = read_data(options)
    cells = [Start(), *options.cells]
    run_missing(options.out, cells, partial(run_cell, options.model, data, options.out))


if __name__ == "__main__":
    main()
