r"""Steers the refusals of every language with the dominant language's vector, beside the language's own.

    python -m reproductions.value_concepts.control MODEL --out RESULTS

1. makes the vector of harmfulness in every language and layer, from one half of the pairs
2. chooses layer and coefficient by the English vector on the English prompts of that half: the largest effect on the
   log odds of refusing, among those that raise the perplexity of English statements by 10% or less
3. measures, in every language, the effect on harmful prompts of the other half, at equal norm: of the vectors of all
   languages, of ten random ones, and of five from shuffled English labels

Every measured cell is a JSON file in RESULTS, and a repeated command goes on where it stopped. The model runs in
bfloat16.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from holdfast import Direction, LoadedModel, load_model
from holdfast.directions.difference_in_means import difference_in_means
from holdfast.directions.finding import shuffled_vector, split_pairs
from holdfast.directions.random import random_direction
from holdfast.directions.states import last_states
from reproductions.directions.effects import OPENINGS, Probe
from reproductions.neurons.cells import cell
from reproductions.value_concepts.refusal import ALLOWED, choose
from reproductions.value_concepts.run import LANGUAGES, load_pairs

DOMINANT = "en"
RANDOM, SHUFFLED, STATEMENTS = 10, 5, 20
Sides = tuple[Tensor, Tensor]
"""States of the pairs that make vectors: of positive and negative texts, each (layer, pair, d_model)."""


def read(loaded: LoadedModel, language: str, most: int | None) -> tuple[Sides, list[str], list[str]]:
    """Returns the states of the first half's pairs, its harmful prompts, and those of the second half."""
    pairs = load_pairs("harmfulness", language, most)
    first, second = split_pairs(len(pairs), 0)
    positive, negative = (
        last_states(loaded.model, loaded.tokenizer, [pairs[place][side] for place in first]) for side in (0, 1)
    )
    tried, tested = ([pairs[place][0] for place in half] for half in (first, second))
    return (positive, negative), tried, tested


def direction_of(sides: Sides, layer: int, base: str) -> Direction:
    """Makes the vector of a layer."""
    positive, negative = (side[layer] for side in sides)
    norm = float(torch.cat([positive, negative]).norm(dim=1).median())
    return Direction(difference_in_means(positive, negative), layer, norm, base)


def arms(sides: Mapping[str, Sides], layer: int, base: str) -> dict[str, Direction]:
    """Returns the directions that are compared. Steering gives all the same length, that of the English one."""
    dominant = direction_of(sides[DOMINANT], layer, base)
    found = {
        language: replace(dominant, vector=direction_of(own, layer, base).vector) for language, own in sides.items()
    }
    found |= {f"random-{draw}": random_direction(dominant, draw) for draw in range(RANDOM)}
    generator, english = torch.Generator().manual_seed(0), [side[layer] for side in sides[DOMINANT]]
    for draw in range(SHUFFLED):
        found[f"shuffled-{draw}"] = replace(dominant, vector=shuffled_vector(*english, generator))
    return found


def probe_of(loaded: LoadedModel, prompts: Sequence[str], language: str, layer: int) -> Probe:
    """Keeps the prompts of a language, and statements that measure its perplexity."""
    statements = [true for true, _ in load_pairs("truthfulness", language, STATEMENTS)]
    return Probe(loaded, prompts, layer, statements=statements, openings=OPENINGS[language])


def main() -> None:
    """Runs the cells that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--pairs", type=int, help="pairs of every language, by default all")
    options = parser.parse_args()
    loaded = load_model(options.model, dtype="bfloat16")
    found = {language: read(loaded, language, options.pairs) for language in LANGUAGES}
    sides = {language: one[0] for language, one in found.items()}
    english = [direction_of(sides[DOMINANT], layer, loaded.base) for layer in range(len(sides[DOMINANT][0]))]
    tried = found[DOMINANT][1]
    chosen = choose(options.out, english, lambda layer: probe_of(loaded, tried, DOMINANT, layer), ALLOWED)
    cell(options.out, "chosen", lambda: chosen)
    directions = arms(sides, chosen["layer"], loaded.base)
    for language in LANGUAGES:

        def measured(language: str = language) -> dict:
            probe = probe_of(loaded, found[language][2], language, chosen["layer"])
            return {name: probe.moved(one, chosen["coefficient"]) for name, one in directions.items()}

        cell(options.out, f"effects-{language}", measured)


if __name__ == "__main__":
    main()
