r"""Does a real aligned model's safety rest on the weights with the highest scores? Noise on them, and on control masks.

Noise of `ratio` standard deviations of each matrix goes on the weights of one mask, for one evaluation. Measured under
it: refusals of harmful prompts, over-refusal of safe prompts that look harmful, perplexity of harmless instructions,
broken answers. Chosen masks (top, safety-only, SNIP) stand beside random, bottom and magnitude masks of the same size.
Scores are of the likelihood of the model's own refusal sentence on other harmful requests.

    PYTHONPATH=src:. python benchmarks/real/noise.py MODEL OUT --refuse advbench.csv --help-with instructions.json \
        --harmful jailbreakbench.csv --safe xstest.csv [--shares 0.01] [--ratios 0.38 1] [--draws 3]
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from benchmarks.real.cells import Start, apart, harmful_tests, measure, parser_of, run_missing, scored, short_exchanges

from holdfast.artifacts import load_scores
from holdfast.evaluate.suite import Suite
from holdfast.intervene.edit.perturb import perturbed
from holdfast.models.load import LoadedModel, load_model
from holdfast.pipeline.options import ScoringOptions
from holdfast.prompts.sources import load_prompts
from holdfast.records import Exchange
from holdfast.select.bottom import BottomOptions, select_bottom
from holdfast.select.random import RandomOptions, select_random
from holdfast.select.set_difference import SetDifferenceOptions, select_safety_only
from holdfast.select.top import TopOptions, select_top
from holdfast.values import Mask, Scores

NUM_REFUSALS, NUM_HARMLESS, NEW_TOKENS = 64, 64, 16
MASKS = ("top", "random", "safety_only", "bottom", "snip", "magnitude")


@dataclass(frozen=True)
class Cell:
    """One draw of noise of one strength on one mask."""

    mask: str
    share: float
    ratio: float
    draw: int

    @property
    def stem(self) -> str:
        """The name of its file."""
        return f"{self.mask}_{self.share:g}_{self.ratio:g}_{self.draw}"


class Masks:
    """Masks of one model by name and share, cut when they are asked for; the scores are read once."""

    def __init__(self, model: Path, out: Path, refusals: list[Exchange], harmless: list[Exchange]) -> None:
        self._model, self._out, self._refusals, self._harmless = model, out, refusals, harmless
        self._scores: dict[str, Scores] = {}

    def __call__(self, name: str, share: float, draw: int) -> Mask:
        """The mask; a random one is another for every draw."""
        if name == "random":
            return select_random(self.scores("esi"), RandomOptions(fraction=share, seed=draw))
        if name == "bottom":
            return select_bottom(self.scores("esi"), BottomOptions(fraction=share))
        if name == "safety_only":
            options = SetDifferenceOptions(fraction=share)
            return select_safety_only(self.scores("esi"), self.scores("utility"), options)
        return select_top(self.scores("esi" if name == "top" else name), TopOptions(fraction=share))

    def scores(self, name: str) -> Scores:
        """Scores of refusals by a method's name, or of utility."""
        if name not in self._scores:
            is_utility = name == "utility"
            options = (
                ScoringOptions(objective="utility")
                if is_utility
                else ScoringOptions(objective="refusal_likelihood", method=name)
            )
            exchanges = self._harmless if is_utility else self._refusals
            self._scores[name] = load_scores(scored(self._model, exchanges, self._out / f"{name}.safetensors", options))
        return self._scores[name]


def run_cell(loaded: LoadedModel, masks: Masks, suite: Suite, cell: Cell | Start) -> dict:
    """Measures the model under one draw of noise."""
    if isinstance(cell, Start):
        return measure(loaded, suite, NEW_TOKENS)
    generator = torch.Generator().manual_seed(cell.draw)
    mask = masks(cell.mask, cell.share, cell.draw)
    with perturbed(loaded.model, mask, cell.ratio, generator, check_base=False):
        return {"cell": asdict(cell), "entries": len(mask), **measure(loaded, suite, NEW_TOKENS)}


def cells(options: argparse.Namespace) -> Iterator[Cell | Start]:
    """Draw by draw, so that what is there when a run ends is balanced."""
    yield Start()
    for draw in range(options.draws):
        for share in options.shares:
            for ratio in options.ratios:
                for mask in options.masks:
                    yield Cell(mask, share, ratio, draw)


def main() -> None:
    """Measures the cells that are not there yet."""
    parser = parser_of(__doc__)
    parser.add_argument("--help-with", required=True, help="harmless exchanges")
    parser.add_argument("--harmful", nargs="+", type=Path, required=True, help="harmful prompts to test with")
    parser.add_argument("--safe", required=True, help="safe prompts that look harmful, to test with")
    parser.add_argument("--prompts", type=int, default=50, help="of each test set")
    parser.add_argument("--masks", nargs="+", choices=MASKS, default=MASKS)
    parser.add_argument("--shares", nargs="+", type=float, default=[0.01])
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.38, 1.0])
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    harmful = harmful_tests(options.harmful, options.prompts)
    safe = [prompt for prompt in load_prompts(options.safe, "borderline") if prompt.kind != "harmful"]
    safe = safe[:: max(1, len(safe) // options.prompts)][: options.prompts]
    asked = apart(load_prompts(options.refuse, "harmful"), harmful)[:NUM_REFUSALS]
    refusals = [Exchange(one.prompt, options.sentence) for one in asked]
    harmless = short_exchanges(options.help_with)
    options.out.mkdir(parents=True, exist_ok=True)
    masks = Masks(options.model, options.out, refusals, harmless[:NUM_HARMLESS])
    suite = Suite(harmful=harmful, borderline=safe, exchanges=harmless[-NUM_HARMLESS:])
    loaded = load_model(options.model, dtype="bfloat16")
    run_missing(options.out, cells(options), partial(run_cell, loaded, masks, suite))


if __name__ == "__main__":
    main()
