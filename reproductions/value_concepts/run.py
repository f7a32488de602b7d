r"""Concepts of human values in five languages: recognition, transfer and consistency of difference-of-means vectors.

For every concept and language a vector is made from one half of the pairs, which also chooses its layer, and tested on
the other half (`holdfast/directions/finding.py`). All languages share the halves, so no test pair is a translation of a
pair that made a vector.

    recognition   share of the language's test pairs that its own vector tells apart
    transfer      the same for the vector of another language, in that vector's layer
    consistency   cosine of two languages' vectors in one layer, beside the 95th percentile for shuffled labels

    python reproductions/value_concepts/run.py MODEL --out results.json [--pairs 60] [--concepts harmfulness ...]
"""

import argparse
import csv
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from holdfast import load_model
from holdfast.directions.difference_in_means import difference_in_means
from holdfast.directions.finding import find_direction, recognise, shuffled_vector, split_pairs
from holdfast.directions.states import last_states
from holdfast.evaluate.statistics import wilson_interval

PAIRS = Path(__file__).parent / "pairs"
CONCEPTS = {"harmfulness": False, "truthfulness": True, "fairness": True}
"""Concepts, and whether their texts are statements, which are read without the chat template."""
LANGUAGES = ("en", "zh", "es", "fr", "de")
SHUFFLES = 200
SEED = 0
States = Mapping[str, tuple[Tensor, Tensor]]
"""States by language: positive and negative ones, each (layer, pair, d_model)."""


def load_pairs(concept: str, language: str, most: int | None = None) -> list[tuple[str, str]]:
    """Reads positive and negative texts."""
    with (PAIRS / f"{concept}.{language}.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(row["positive"], row["negative"]) for row in rows[:most]]


def read_states(model: str, concept: str, languages: Sequence[str], most: int | None) -> States:
    """Reads the last token's states of all texts of a concept."""
    loaded, found = load_model(model), {}
    for language in languages:
        sides = zip(*load_pairs(concept, language, most), strict=True)
        found[language] = tuple(
            last_states(loaded.model, loaded.tokenizer, side, as_text=CONCEPTS[concept]) for side in sides
        )
    return found


def share(count: int, n: int) -> dict:
    """A share with its interval."""
    low, high = wilson_interval(count / n, n)
    return {"value": count / n, "low": low, "high": high, "n": n}


def compare_languages(states: States) -> dict:
    """Recognition, transfer and consistency of one concept."""
    first, second = split_pairs(next(iter(states.values()))[0].shape[1], SEED)
    lengths = [(1, 1)] * (len(first) + len(second))
    found = {language: find_direction(*sides, lengths, seed=SEED) for language, sides in states.items()}
    rows = {}
    for one, other in itertools.product(states, states):
        layer = found[one].layer
        tested = recognise(found[one].vector, *(side[layer, second] for side in states[other]))
        rows[f"{one} to {other}"] = share(*tested.recognised) | {"layer": layer, "separation": tested.separation}
    shuffled = {
        language: [draw.recognised.share for draw in one.recognition.shuffled] for language, one in found.items()
    }
    # One layer for all, the best of the first halves on average: vectors of two layers have no cosine.
    rated = [
        sum(one.layers[place].apart.recognised.share for one in found.values()) for place in range(len(first_of(found)))
    ]
    common = rated.index(max(rated))
    return {
        "told_apart": rows,
        "shuffled": {language: sum(draws) / len(draws) for language, draws in shuffled.items()},
        "layer": common,
        "cosines": cosines({language: tuple(side[common] for side in sides) for language, sides in states.items()}),
    }


def first_of(found: Mapping) -> Sequence:
    """The rated layers of any language."""
    return next(iter(found.values())).layers


def cosines(states: Mapping[str, tuple[Tensor, Tensor]]) -> dict:
    """Cosines of all pairs of languages in one layer, beside those of vectors from shuffled labels."""
    generator, rows = torch.Generator().manual_seed(SEED), {}
    vectors = {language: difference_in_means(*sides) for language, sides in states.items()}
    drawn = {
        language: torch.stack([shuffled_vector(*sides, generator) for _ in range(SHUFFLES)])
        for language, sides in states.items()
    }
    for one, other in itertools.combinations(states, 2):
        chance = torch.cosine_similarity(drawn[one], drawn[other], dim=1)
        value = float(torch.cosine_similarity(vectors[one], vectors[other], dim=0))
        rows[f"{one}, {other}"] = {"cosine": value, "shuffled_95": float(chance.quantile(0.95))}
    return rows


def main() -> None:
    """Measures every concept and saves the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, help="pairs of every concept and language, by default all")
    parser.add_argument("--concepts", nargs="+", choices=CONCEPTS, default=list(CONCEPTS))
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=list(LANGUAGES))
    options = parser.parse_args()
    result = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for concept in options.concepts:
        if concept not in result:
            result[concept] = compare_languages(read_states(options.model, concept, options.languages, options.pairs))
            options.out.write_text(json.dumps(result, indent=1))
            print(concept, "done", flush=True)


if __name__ == "__main__":
    main()
