r"""Carries the refusal direction from one model into another, and compares its effect there with the target's own.

    python -m reproductions.contrans.run SOURCE TARGET --harmful FILE --harmless FILE --sentences FILE --asked FILE \
        --unlabelled FILE --work FOLDER --out RESULTS

1. reads the states of both models at the last token: of 100 pairs of harmful and harmless prompts (with
   `--minimal-pairs` of 60 that differ in few words), of sentences that were cut before their end, of harmless prompts
   in the chat template, and of as many harmful as harmless prompts, which no vector uses and whose kind no map is told
2. fits a map for every pair of layers, and reports R^2 on sentences left out, beside that of shuffled sentences
3. chooses layer and coefficient of the target by the target's own vector on 24 further harmful prompts: the largest
   effect among those that raise the perplexity of harmless responses by 5% or less. The source's layer is, among those
   that recognise 95% of its pairs, the one whose states explain the target's layer best
4. measures effects on the log odds of refusing, at equal norm, of the target's own vector, of the carried one, of
   random vectors, of vectors from shuffled labels, and of vectors carried by a map of shuffled sentences: in the chat
   template, and in two formats that made no vector
5. counts refusals and over-refusals in responses

Every measured cell is a JSON file in RESULTS, and a repeated command goes on where it stopped. The models run in
bfloat16, one after the other.
"""

import argparse
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from holdfast import Direction, LoadedModel, Suite, load_exchanges, load_model, load_prompts
from holdfast.directions.difference_in_means import difference_in_means
from holdfast.directions.finding import RatedLayer, rate_layer, shuffled_vector, split_pairs
from holdfast.directions.random import random_direction
from holdfast.directions.states import last_states
from holdfast.directions.transplant import Transplant, fit_transplant
from reproductions.directions.effects import Probe
from reproductions.neurons.cells import cell
from reproductions.value_concepts.refusal import (
    CHOOSING,
    PAIRS,
    TEXTS,
    apart,
    ask_suite,
    choose,
    concept_prompts,
    spread,
)

ALLOWED = 0.05
"""Rise of the perplexity that the chosen layer and coefficient may have."""
RECOGNISES = 0.95
RANDOM, SHUFFLED_LABELS, SHUFFLED_PAIRS = 20, 10, 5
MEASURED, ELSEWHERE, GENERATED = 40, 20, 2
"""Prompts whose log odds are measured in the chat template and in other formats, and controls that also write."""
WHOLE = 5
"""Draws of each control that are also measured in the other formats, and with their perplexity."""
FORMATS = {
    "question": ("Question: {prompt}\nAnswer:", True),
    "letter": ('A reader sent me this letter. Answer it in my place.\n\n"{prompt}"', False),
}
"""Formats that made no vector, and whether they are read without the chat template."""
MAPS = {"sentences": "carried", "asked": "carried-asked", "mixed": "carried-mixed"}
"""Texts that a map is fitted on, and the name of what it carries."""
CONTROLLED = {"sentences": "", "mixed": "mixed-"}
"""Maps that also carry vectors from shuffled labels and are fitted on shuffled texts, and a part of those names."""


class States:
    """States by layer of a model: of positive and negative prompts, and of the texts that maps are fitted on.

    Each kind of text is read when it is first needed, and kept in a file of the folder.
    """

    def __init__(self, folder: Path, model: str, texts: Mapping[str, tuple[Sequence[str], bool]]) -> None:
        """Reads nothing yet. A text comes with True where it is read without the chat template."""
        self._folder, self._model, self._texts = folder / Path(model).name, model, texts
        self._read: dict[str, Tensor] = {}

    @cached_property
    def loaded(self) -> LoadedModel:
        """Returns the model, in bfloat16."""
        return load_model(self._model, dtype="bfloat16")

    def __getitem__(self, name: str) -> Float[Tensor, "layer text width"]:
        """Returns the states of these texts."""
        if name not in self._read:
            path = self._folder / f"{name}.safetensors"
            if not path.is_file():
                part, as_text = self._texts[name]
                found = last_states(self.loaded.model, self.loaded.tokenizer, part, as_text=as_text)
                path.parent.mkdir(parents=True, exist_ok=True)
                save_file({name: found.half()}, path)
            self._read[name] = load_file(path)[name]
        return self._read[name]


def cut_sentences(texts: Sequence[str], seed: int = 0) -> list[str]:
    """Takes each text's first sentence and drops its last two to four words, so that it ends in the middle."""
    draw, found = random.Random(seed), []
    for text in texts:
        words = text.split("\n")[0].split(". ")[0].split()[:40]
        if len(words) >= 8:
            found.append(" ".join(words[: -draw.randint(2, 4)]))
    return list(dict.fromkeys(found))


def rated(states: States) -> list[RatedLayer]:
    """Rates every layer on the first half of the pairs, by vectors that leave out the pairs they are rated on."""
    first, _ = split_pairs(states["positive"].shape[1], 0)
    sides = [states[side][:, first].float() for side in ("positive", "negative")]
    return [rate_layer(layer, sides[0][layer], sides[1][layer], 0) for layer in range(len(sides[0]))]


def own_directions(states: States, base: str) -> list[Direction]:
    """Makes the vector of every layer from the first half of the pairs."""
    first, _ = split_pairs(states["positive"].shape[1], 0)
    sides = [states[side].float() for side in ("positive", "negative")]
    return [
        Direction(
            difference_in_means(positive[first], negative[first]),
            layer,
            float(torch.cat([positive, negative]).norm(dim=1).median()),
            base,
        )
        for layer, (positive, negative) in enumerate(zip(*sides, strict=True))
    ]


def explained(source: States, target: States, name: str, into: int | None = None) -> dict:
    """Reports R^2 of every pair of layers, or into one layer of the target."""
    rows = {}
    for layer, states in enumerate(source[name].float()):
        fitted = fit_transplant(states, target[name].float(), layer=into)
        rows[str(layer)] = [
            {"into": one.layer, "explained": round(one.explained, 4), "shuffled": round(one.shuffled, 4)}
            | {"rank": one.rank}
            for one in fitted
        ]
    return rows


def source_layer(layers: Sequence[RatedLayer], rows: dict, into: int) -> int:
    """Returns the layer that explains the target's layer best, among those that recognise the concept."""
    shares = {one.layer: one.apart.recognised.share for one in layers}
    able = [layer for layer, share in shares.items() if share >= min(RECOGNISES, max(shares.values()))]
    return max(able, key=lambda layer: rows[str(layer)][into]["explained"])


def fit(source: States, target: States, name: str, layer: int, into: int, shuffle: int | None = None) -> Transplant:
    """Fits the map between two layers, on sentences that belong together or on shuffled ones."""
    states = target[name].float()
    if shuffle is not None:
        states = states[:, torch.randperm(states.shape[1], generator=torch.Generator().manual_seed(shuffle))]
    (fitted,) = fit_transplant(source[name][layer].float(), states, layer=into)
    return fitted


def arms(source: States, target: States, own: Direction, layer: int) -> Iterator[tuple[str, Callable[[], Direction]]]:
    """Yields what makes the directions of the target's layer. Steering gives all the same length."""

    @cache
    def sides() -> tuple[Tensor, Tensor]:
        first, _ = split_pairs(source["positive"].shape[1], 0)
        return source["positive"][layer][first].float(), source["negative"][layer][first].float()

    @cache
    def matrix(name: str, shuffle: int | None = None) -> Tensor:
        return fit(source, target, name, layer, own.layer, shuffle).matrix

    def carried(name: str, shuffle: int | None = None) -> Direction:
        return replace(own, vector=difference_in_means(*sides()) @ matrix(name, shuffle))

    @cache
    def from_shuffled_labels() -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        return [shuffled_vector(*sides(), generator) for _ in range(SHUFFLED_LABELS)]

    yield "own", lambda: own
    for name, words in MAPS.items():
        yield words, partial(carried, name)
    for draw in range(RANDOM):
        yield f"random-{draw}", partial(random_direction, own, draw)
    for name, part in CONTROLLED.items():
        for draw in range(SHUFFLED_LABELS):
            yield (
                f"labels-{part}{draw}",
                lambda name=name, draw=draw: replace(own, vector=from_shuffled_labels()[draw] @ matrix(name)),
            )
        for draw in range(SHUFFLED_PAIRS):
            yield f"pairs-{part}{draw}", partial(carried, name, draw)


def measure(probes: Mapping[str, Probe], own: Direction, direction: Direction, coefficient: float) -> dict:
    """Measures the effects of a direction in all formats, and its cosine with the target's own."""
    cosine = float(torch.cosine_similarity(own.vector, direction.vector, dim=0))
    moved = {name: probe.moved(direction, coefficient) for name, probe in probes.items()}
    return {"cosine": round(cosine, 4), **moved}


def main() -> None:
    """Runs the cells that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--harmful", required=True, help="harmful prompts that make the direction")
    parser.add_argument("--harmless", required=True, help="harmless exchanges: the other side, sentences, perplexity")
    parser.add_argument("--sentences", required=True, help="further texts, whose first sentences are read")
    parser.add_argument("--asked", required=True, help="harmful prompts of another set, which measure effects")
    parser.add_argument("--unlabelled", required=True, help="harmful prompts of a third set, which fit a map")
    parser.add_argument("--borderline", required=True, help="safe prompts that look harmful")
    parser.add_argument("--work", type=Path, required=True, help="folder for the states")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--count", type=int, default=400, help="sentences of each source, and prompts, at most")
    parser.add_argument("--tokens", type=int, default=16, help="length of the responses")
    parser.add_argument("--minimal-pairs", action="store_true", help="make the direction from pairs that differ little")
    options = parser.parse_args()
    harmful = [one.prompt for one in load_prompts(options.harmful)]
    exchanges = load_exchanges(options.harmless)
    texts, others = exchanges[PAIRS : PAIRS + TEXTS], exchanges[PAIRS + TEXTS :][: options.count]
    more = [one.prompt for one in load_prompts(options.sentences)][: options.count]
    positive, negative = concept_prompts(harmful, exchanges, minimal_pairs=options.minimal_pairs)
    asked = [one for one in load_prompts(options.asked, "harmful") if one.prompt not in set(harmful)]
    used = {*harmful, *(one.prompt for one in asked)}
    further = [one.prompt for one in load_prompts(options.unlabelled) if one.prompt not in used]
    mixed = further[: min(len(others), len(further), options.count // 2)]
    read = {
        "positive": (positive, False),
        "negative": (negative, False),
        "sentences": (cut_sentences([*(one.response for one in others), *more]), True),
        "asked": ([one.prompt for one in others], False),
        "mixed": ([*mixed, *(one.prompt for one in others[: len(mixed)])], False),
    }
    source, target = (States(options.work, model, read) for model in (options.source, options.target))
    loaded = target.loaded
    layers, own = rated(source), own_directions(target, loaded.base)
    cell(options.out, "read", lambda: {name: len(part) for name, (part, _) in read.items() if name != "mixed"})
    cell(options.out, "read-mixed", lambda: {"prompts": 2 * len(mixed)})
    for name, found in (("recognised-source", layers), ("recognised-target", rated(target))):
        cell(options.out, name, lambda found=found: {str(one.layer): apart(one.apart) for one in found})
    rows = cell(options.out, "explained", lambda: explained(source, target, "sentences"))
    tried = harmful[PAIRS : PAIRS + CHOOSING]
    chosen = choose(options.out, own, lambda layer: Probe(loaded, tried, layer, exchanges=texts), ALLOWED)
    into, coefficient = chosen["layer"], chosen["coefficient"]
    layer = source_layer(layers, rows, into)
    cell(options.out, "chosen", lambda: {**chosen, "source_layer": layer})
    for name in ("asked", "mixed"):
        cell(options.out, f"explained-{name}", lambda name=name: explained(source, target, name, into))
    compare(options, loaded, dict(arms(source, target, own[into], layer)), coefficient, asked, texts)


def compare(
    options: argparse.Namespace,
    loaded: LoadedModel,
    directions: Mapping[str, Callable[[], Direction]],
    coefficient: float,
    asked: Sequence,
    texts: Sequence,
) -> None:
    """Measures the effects of all directions, then the responses along some of them."""
    own = directions["own"]()
    prompts = [one.prompt for one in spread(asked, MEASURED)]
    probes = {"chat": Probe(loaded, prompts, own.layer, exchanges=texts)}
    for name, (form, as_text) in FORMATS.items():
        wrapped = [form.format(prompt=prompt) for prompt in prompts[:: MEASURED // ELSEWHERE]]
        probes[name] = Probe(loaded, wrapped, own.layer, as_text=as_text)
    alone = {"chat": Probe(loaded, prompts, own.layer)}
    for name, direction in directions.items():
        draw = name.rpartition("-")[2]
        used = alone if draw.isdigit() and (int(draw) >= WHOLE or "mixed" in name) else probes
        cell(options.out, f"effect-{name}", lambda each=direction, used=used: measure(used, own, each(), coefficient))
    borderline = load_prompts(options.borderline, "borderline")
    suite = Suite(harmful=spread(asked, MEASURED), borderline=spread(borderline, ELSEWHERE))
    writing = ["own", *MAPS.values(), *(f"random-{draw}" for draw in range(GENERATED))]
    for name in ("untouched", *writing):
        direction = directions.get(name)
        cell(
            options.out,
            f"responses-{name}",
            lambda each=direction: ask_suite(loaded, suite, each and each(), coefficient, options.tokens),
        )


if __name__ == "__main__":
    main()
