r"""Does a mask of refusals follow the harm of the prompts or the wording of the refusals?

The file has harmful prompts, each with a refusal of its own. It is split into two halves A and B at random. The mask is
the top 1% of ESI by the likelihood of A's refusals after A's prompts. Compared with it, by IoU, are masks of as many
other exchanges. Each changes the prompts, the refusals or both:

    shuffled          A's prompts                A's refusals, paired in another way
    other_prompts     B's prompts, as harmful    A's refusals
    other_refusals    A's prompts                B's refusals
    both_other        B's prompts, as harmful    B's refusals
    harmless          harmless prompts           A's refusals
    harmless_other    harmless prompts           B's refusals

If the mask followed the wording alone, `harmless` would equal `other_prompts` and exceed `both_other`. If it followed
the harm alone, `both_other` would equal `other_prompts` and exceed `harmless`. Random masks have p / (2 - p). A cell is
one split and one seed of all draws, and one JSON file in OUT/cells; a cell whose file is there is not run again.

    PYTHONPATH=src:. python benchmarks/real/wording.py MODEL OUT --refusals FILE --harmless FILE [--splits 3]
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.real.cells import run_missing, scored

from holdfast.artifacts import load_scores
from holdfast.pipeline.options import ScoringOptions
from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.records import Exchange, Prompt
from holdfast.select.algebra import random_iou
from holdfast.select.jackknife import iou_interval
from holdfast.select.top import TopOptions, select_top
from holdfast.values import Mask

SHARE = 0.01
OPTIONS = ScoringOptions(objective="refusal_likelihood")


@dataclass(frozen=True)
class Split:
    """One split of the file."""

    seed: int

    @property
    def stem(self) -> str:
        """The name of its file."""
        return f"split_{self.seed}"


def exchanges_of(given: Sequence[Exchange], harmless: Sequence[Prompt], seed: int) -> dict[str, list[Exchange]]:
    """Returns the exchanges of every mask of a split, by name. Without a name are those that all are compared with."""
    draw = random.Random(seed)
    mixed, safe = draw.sample(given, len(given)), draw.sample(harmless, len(given) // 2)
    first, second = mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]
    asked, other, safe_prompts = ([one.prompt for one in each] for each in (first, second, safe))
    refused, otherwise = ([one.response for one in each] for each in (first, second))
    return {
        "": first,
        "shuffled": paired(asked, draw.sample(refused, len(refused))),
        "other_prompts": paired(other, refused),
        "other_refusals": paired(asked, otherwise),
        "both_other": second,
        "harmless": paired(safe_prompts, refused),
        "harmless_other": paired(safe_prompts, otherwise),
    }


def paired(prompts: Sequence[str], responses: Sequence[str]) -> list[Exchange]:
    """Makes exchanges of as many prompts and responses as both have."""
    return [Exchange(prompt, response) for prompt, response in zip(prompts, responses, strict=False)]


def mask_of(model: Path, exchanges: Sequence[Exchange], path: Path) -> Mask:
    """Scores the exchanges and selects the top 1%. The scores are deleted, because they take a gigabyte."""
    try:
        return select_top(load_scores(scored(model, exchanges, path, OPTIONS)), TopOptions(fraction=SHARE))
    finally:
        for left in path.parent.glob(f"{path.stem}*"):
            left.unlink()


def compare(first: Mask, other: Mask) -> dict[str, object]:
    """Returns the IoU of two masks, its interval over matrices, and what random masks have."""
    return {"iou": first.iou(other), "interval": list(iou_interval(first, other)), "random": random_iou(first, other)}


def run(model: Path, given: Sequence[Exchange], harmless: Sequence[Prompt], out: Path, split: Split) -> dict:
    """Makes all masks of a split and compares them with the first."""
    sets = exchanges_of(given, harmless, split.seed)
    first = mask_of(model, sets.pop(""), out / "scores.safetensors")
    found = {name: compare(first, mask_of(model, one, out / "scores.safetensors")) for name, one in sets.items()}
    return {"seed": split.seed, "exchanges": len(given) // 2, "compared": found}


def main() -> None:
    """Runs the splits that have no file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--refusals", required=True, help="harmful prompts, each with a refusal of its own")
    parser.add_argument("--harmless", required=True, help="at least half as many harmless prompts")
    parser.add_argument("--splits", type=int, default=3)
    options = parser.parse_args()
    given, harmless = load_exchanges(options.refusals), load_prompts(options.harmless)
    run_missing(
        options.out,
        [Split(seed) for seed in range(options.splits)],
        lambda split: run(options.model, given, harmless, options.out, split),
    )


if __name__ == "__main__":
    main()
