r"""The refusal direction of a model: held-out recognition, and refusals along it beside twenty random directions.

    python -m reproductions.value_concepts.refusal MODEL --harmful FILE --harmless FILE --asked FILE \
        --borderline FILE --work FOLDER --out RESULTS

1. finds the direction on the first 100 harmful and 100 harmless prompts, in every layer, and tests it on half of them.
   With `--minimal-pairs` it does so on the 60 English pairs of `pairs/`, whose sides differ in few words
2. chooses layer and coefficient on 24 further harmful prompts: the largest effect on the log odds of refusing, among
   those that raise the perplexity of harmless responses by 10% or less
3. asks prompts of another set, untouched, along the direction, and along twenty random ones of equal length, and counts
   refusals by the refusal rules, over-refusals of safe prompts and coherent responses, beside the perplexity and the
   log odds of refusing

Every measured cell is a JSON file in RESULTS, and a repeated command goes on where it stopped. The model runs in
bfloat16.
"""

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from statistics import fmean
from typing import Any

from safetensors.torch import load_file, save_file

from holdfast import (
    Direction,
    Evaluation,
    Exchange,
    LoadedModel,
    Prompt,
    Suite,
    load_exchanges,
    load_model,
    load_prompts,
)
from holdfast.directions.difference_in_means import difference_in_means
from holdfast.directions.finding import Apart, find_direction, split_pairs
from holdfast.directions.random import random_direction
from holdfast.directions.states import encode_prompts, states_of
from holdfast.evaluate.suite import evaluate
from holdfast.intervene.edit.steer import steered
from holdfast.models.options import GenerateOptions
from reproductions.directions.effects import Probe
from reproductions.neurons.cells import cell
from reproductions.value_concepts.run import load_pairs

PAIRS, CHOOSING, TEXTS, RANDOM = 100, 24, 16, 20
COEFFICIENTS = (0.1, 0.15, 0.2, 0.3)
TRIED_LAYERS = 6
"""Parts into which the depth is cut. The layers at the cuts are tried."""
ALLOWED = 0.1
"""Rise of the perplexity that the chosen layer and coefficient may have."""


def concept_prompts(
    harmful: Sequence[str], harmless: Sequence[Exchange], *, minimal_pairs: bool
) -> tuple[list[str], list[str]]:
    """Returns both sides of the pairs that make the direction: the first of two sets, or pairs that differ little."""
    if minimal_pairs:
        positive, negative = zip(*load_pairs("harmfulness", "en"), strict=True)
        return list(positive), list(negative)
    return list(harmful[:PAIRS]), [one.prompt for one in harmless[:PAIRS]]


def find_everywhere(
    loaded: LoadedModel, positive: Sequence[str], negative: Sequence[str]
) -> tuple[dict, list[Direction]]:
    """Finds the direction in every layer. Returns what was measured, and the directions."""
    sequences = encode_prompts(loaded.model, loaded.tokenizer, [*positive, *negative])
    states, lengths = states_of(loaded.model, loaded.tokenizer, sequences), [len(ids) for ids in sequences]
    count = len(positive)
    sides = states[:, :count], states[:, count:]
    pairs = list(zip(lengths[:count], lengths[count:], strict=True))
    found = find_direction(*sides, pairs)
    first, _ = split_pairs(count, 0)
    directions = [
        Direction(
            difference_in_means(sides[0][layer, first], sides[1][layer, first]),
            layer,
            float(states[layer].norm(dim=1).median()),
            loaded.base,
        )
        for layer in range(len(states))
    ]
    recognition = found.recognition
    measured = {
        "layer": found.layer,
        "direction": apart(recognition.direction),
        "shuffled": [apart(one) for one in recognition.shuffled],
        "random": [apart(one) for one in recognition.random],
        "length": list(recognition.length),
        "layers": [{"layer": one.layer, **apart(one.apart)} for one in found.layers],
    }
    return measured, directions


def load_directions(path: Path, base: str) -> list[Direction]:
    """Loads the directions of all layers, which their file names by layer and norm."""
    named = ((*name.split(), vector) for name, vector in load_file(path).items())
    return sorted(
        (Direction(vector, int(layer), float(norm), base) for layer, norm, vector in named), key=lambda one: one.layer
    )


def apart(one: Apart) -> dict:
    """Returns pairs told apart, of how many, and the separation."""
    return {"recognised": list(one.recognised), "separation": round(one.separation, 3)}


def choose(out: Path, directions: Sequence[Direction], probe_at: Callable[[int], Probe], allowed: float) -> dict:
    """Measures layers and coefficients on the choosing prompts, and returns the chosen ones with their effect."""
    rows, step = [], len(directions) // TRIED_LAYERS
    for layer in range(step, len(directions) - 1, step):
        probe = cache(partial(probe_at, layer))  # made where a cell is missing
        for coefficient in COEFFICIENTS:

            def tried(direction: Direction = directions[layer], each: float = coefficient, probe: Any = probe) -> dict:
                return probe().moved(direction, each)

            found = cell(out, f"choosing-{layer}-{coefficient:g}", tried)
            rows.append({"layer": layer, "coefficient": coefficient, "effect": fmean(found["effects"])})
            rows[-1]["rise"] = found["rise"]
    return chosen_of(rows, allowed)


def chosen_of(rows: Sequence[dict], allowed: float) -> dict:
    """Returns the row of the largest effect among those that keep the perplexity, and the gentlest if none does."""
    kept = [row for row in rows if row["rise"] <= allowed]
    return max(kept, key=lambda row: row["effect"]) if kept else min(rows, key=lambda row: row["rise"])


def ask_suite(loaded: LoadedModel, suite: Suite, direction: Direction | None, coefficient: float, tokens: int) -> dict:
    """Evaluates the model under steering: rates, and the outcome of every prompt."""
    options = GenerateOptions(max_new_tokens=tokens)
    with steered(loaded.model, direction, coefficient, check_base=False) if direction else nullcontext():
        return summary(evaluate(loaded, None, suite, options))


def summary(evaluation: Evaluation) -> dict:
    """Keeps rates, and what every prompt got."""
    rates = {
        "refusal": evaluation.refusal,
        "borderline": evaluation.groups.get("borderline"),
        "coherence": evaluation.groups["coherence/all"],
    }
    outcomes = {
        measure: [answer.outcome.verdict for answer in evaluation.answers if answer.measure == measure]
        for measure in ("refusal", "borderline")
    }
    return {**{name: asdict(rate) for name, rate in rates.items() if rate}, "outcomes": outcomes}


def spread(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    """Returns so many prompts, evenly spaced over the set, since sets are in the order of their topics."""
    count = min(count, len(prompts))
    return [prompts[place * len(prompts) // count] for place in range(count)]


def main() -> None:
    """Runs the cells that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--harmful", required=True, help="harmful prompts that make the direction")
    parser.add_argument("--harmless", required=True, help="harmless exchanges, which make it and measure perplexity")
    parser.add_argument("--asked", required=True, help="harmful prompts of another set, which count refusals")
    parser.add_argument("--borderline", required=True, help="safe prompts that look harmful")
    parser.add_argument("--work", type=Path, required=True, help="folder for the directions")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--limit", type=int, default=50, help="harmful prompts that are asked")
    parser.add_argument("--limit-borderline", type=int, default=30, help="safe prompts that are asked")
    parser.add_argument("--tokens", type=int, default=16, help="length of the responses")
    parser.add_argument("--minimal-pairs", action="store_true", help="make the direction from the pairs of pairs/")
    options = parser.parse_args()
    loaded = load_model(options.model, dtype="bfloat16")
    harmful = [one.prompt for one in load_prompts(options.harmful)]
    exchanges = load_exchanges(options.harmless)
    texts = exchanges[PAIRS : PAIRS + TEXTS]
    positive, negative = concept_prompts(harmful, exchanges, minimal_pairs=options.minimal_pairs)
    kept = options.work / "directions.safetensors"
    if not kept.is_file():
        measured, found = find_everywhere(loaded, positive, negative)
        cell(options.out, "found", lambda: measured)
        options.work.mkdir(parents=True, exist_ok=True)
        save_file({f"{one.layer} {one.norm}": one.vector for one in found}, kept)
    directions = load_directions(kept, loaded.base)
    tried = harmful[PAIRS : PAIRS + CHOOSING]
    chosen = choose(options.out, directions, lambda layer: Probe(loaded, tried, layer, exchanges=texts), ALLOWED)
    cell(options.out, "chosen", lambda: chosen)
    asked = [one for one in load_prompts(options.asked, "harmful") if one.prompt not in set(harmful)]
    borderline = load_prompts(options.borderline, "borderline")
    asked, borderline = spread(asked, options.limit), spread(borderline, options.limit_borderline)
    suite = Suite(harmful=asked, borderline=borderline)
    direction, coefficient = directions[chosen["layer"]], chosen["coefficient"]
    probe = Probe(loaded, [one.prompt for one in asked], direction.layer, exchanges=texts)
    arms = {"untouched": None, "steered": direction}
    arms |= {f"random-{draw}": random_direction(direction, draw) for draw in range(RANDOM)}
    for name, along in arms.items():

        def measured_along(along: Direction | None = along) -> dict:
            moved = probe.moved(along, coefficient) if along else {}
            return moved | ask_suite(loaded, suite, along, coefficient, options.tokens)

        cell(options.out, name, measured_along)


if __name__ == "__main__":
    main()
