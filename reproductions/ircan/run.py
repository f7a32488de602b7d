"""Context neurons: locates neurons by which a model follows its prompt against its memory, and strengthens them.

    python -m reproductions.ircan.run MODEL --conflicts FILE --texts TEXTS --work FOLDER --out RESULTS

1. attributes the probability of the context's answer to neurons, from the activations on the question alone to those
   with the context (integrated gradients, 20 steps), on a part of the choosing half, and lets the examples vote
2. chooses the number of neurons and the scale on another part of the choosing half: the best accuracy among those that
   raise the perplexity by 2% or less
3. reports accuracy and stubbornness on the reporting half: strengthened, erased, ten draws of random neurons of the
   same layers, context-aware decoding, and both
4. reports the facts of `facts.tsv` without context and with a misleading one, and the perplexity

Every measured cell is a JSON file in RESULTS, and a repeated command goes on where it stopped.
"""

import argparse
import time
from collections.abc import Sequence
from contextlib import nullcontext
from math import exp
from pathlib import Path
from statistics import fmean

from holdfast import LoadedModel, Mask, Scores, load_exchanges, load_model, load_scores, save_scores
from holdfast.objective.completions import Completion
from holdfast.score.neurons import NeuronScoreOptions, Others, score_neurons
from holdfast.select.votes import VotesOptions, select_votes
from reproductions.ircan.conflicts import (
    Conflict,
    context_aware,
    halves,
    judged,
    next_logits,
    read_conflicts,
    read_facts,
)
from reproductions.neurons.cells import cell
from reproductions.neurons.edits import by_layer, mean_loss, random_like, scaled_neurons
from reproductions.neurons.prefix import PrefixedProbability

COUNTS, SCALES = (4, 16), (2.0, 4.0, 8.0)
"""Numbers of neurons and scales to choose from."""
ALLOWED = 0.02
"""Rise of the perplexity that the chosen cell may have."""
DRAWS = 10
LONGEST, CHOOSING_TEXTS, REPORTING_TEXTS = 48, 6, 12


def locate(loaded: LoadedModel, examples: Sequence[Conflict], work: Path) -> dict:
    """Attributes the context's answer of every example, from the question alone, and saves the attributions."""
    started, spent = time.monotonic(), time.process_time()
    texts = [Completion(each.text, [*each.with_context, each.context], [len(each.with_context)]) for each in examples]
    others = Others([each.text for each in examples], [each.alone for each in examples])
    (work / "kept").mkdir(parents=True, exist_ok=True)
    objective = PrefixedProbability(loaded.model, texts)
    options = NeuronScoreOptions(steps=20, token_budget=4096)
    scores = score_neurons(loaded, objective, options, others=others, keep=work / "kept")
    assert scores.by_example is not None
    save_scores(work / "scores.safetensors", scores.halved.whole)
    save_scores(work / "examples.safetensors", scores.by_example)
    return {
        "examples": len(examples),
        "completeness_error": scores.completeness_error,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - spent, 1),
    }


def with_most_votes(by_example: Scores, count: int) -> Mask:
    """Selects the neurons that are among the first 20 of the most examples."""
    fraction = count / sum(entries[0].numel() for entries in by_example.entries.values())
    return select_votes(by_example, VotesOptions(fraction=fraction, share=0.1, most_votes=20))


def measure(loaded: LoadedModel, conflicts: Sequence[Conflict], mask: Mask | None, scale: float) -> dict:
    """Judges the conflicts with the mask's neurons scaled."""
    with scaled_neurons(loaded.model, mask, scale) if mask is not None else nullcontext():
        return judged(next_logits(loaded.model, [each.with_context for each in conflicts]), conflicts)


def decode_aware(loaded: LoadedModel, conflicts: Sequence[Conflict], mask: Mask | None, scale: float) -> dict:
    """Judges the conflicts under context-aware decoding."""
    with scaled_neurons(loaded.model, mask, scale) if mask is not None else nullcontext():
        sides = [
            next_logits(loaded.model, prompts)
            for prompts in ([each.with_context for each in conflicts], [each.alone for each in conflicts])
        ]
    return judged(context_aware(*sides), conflicts)


def side_effects(
    loaded: LoadedModel, facts: Sequence[Conflict], texts: Sequence[list[int]], mask: Mask | None, scale: float
) -> dict:
    """Measures facts without a context, facts with a misleading one, and the loss on texts."""
    with scaled_neurons(loaded.model, mask, scale) if mask is not None else nullcontext():
        alone = judged(next_logits(loaded.model, [each.alone for each in facts]), facts)
        misled = judged(next_logits(loaded.model, [each.with_context for each in facts]), facts)
        losses = [mean_loss(loaded.model, text) for text in texts]
    return {"facts_right": [not false for false in alone["accuracy"]], "misled": misled["accuracy"], "losses": losses}


def choose(
    out: Path, loaded: LoadedModel, by_example: Scores, part: Sequence[Conflict], texts: list[list[int]]
) -> dict:
    """Measures every number of neurons and scale on the choosing half, and returns the chosen ones."""

    def tried(mask: Mask | None, scale: float) -> dict:
        with scaled_neurons(loaded.model, mask, scale) if mask is not None else nullcontext():
            losses = [mean_loss(loaded.model, text) for text in texts]
        return {**measure(loaded, part, mask, scale), "losses": losses}

    plain = cell(out, "choosing-plain", lambda: tried(None, 1.0))
    rows = []
    for count in COUNTS:
        mask = with_most_votes(by_example, count)
        for scale in SCALES:
            found = cell(out, f"choosing-{count}-{scale:g}", lambda mask=mask, scale=scale: tried(mask, scale))
            rise = exp(fmean(found["losses"]) - fmean(plain["losses"])) - 1
            rows.append({"count": count, "scale": scale, "accuracy": fmean(found["accuracy"]), "rise": rise})
    return chosen_of(rows)


def chosen_of(rows: Sequence[dict]) -> dict:
    """Returns the row of the best accuracy among those that keep the perplexity, and the gentlest of all if none does.

    Of equally accurate rows it takes the one with the smaller rise.
    """
    kept = [row for row in rows if row["rise"] <= ALLOWED]
    return (
        max(kept, key=lambda row: (row["accuracy"], -row["rise"])) if kept else min(rows, key=lambda row: row["rise"])
    )


def report(out: Path, loaded: LoadedModel, mask: Mask, scale: float, part: Sequence[Conflict], measured: tuple) -> None:
    """Measures every arm on the reporting half."""
    scores = load_scores(measured[2] / "scores.safetensors")
    facts, texts = measured[:2]
    arms: dict[str, tuple[Mask | None, float]] = {
        "plain": (None, 1.0), "strengthened": (mask, scale), "erased": (mask, 0.0)
    }  # fmt: skip
    for name, arm in arms.items():
        cell(out, f"conflicts-{name}", lambda arm=arm: measure(loaded, part, *arm))
        cell(out, f"beside-{name}", lambda arm=arm: side_effects(loaded, facts, texts, *arm))
    for draw in range(DRAWS):
        drawn = random_like(scores, mask, draw)
        cell(out, f"conflicts-random-{draw}", lambda drawn=drawn: measure(loaded, part, drawn, scale))
    cell(out, "conflicts-cad", lambda: decode_aware(loaded, part, None, 1.0))
    cell(out, "conflicts-cad-strengthened", lambda: decode_aware(loaded, part, mask, scale))


def main() -> None:
    """Runs the cells that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--conflicts", type=Path, required=True, help="records of MemoTrap (JSON lines)")
    parser.add_argument("--texts", required=True, help="exchanges that measure perplexity")
    parser.add_argument("--work", type=Path, required=True, help="folder for the attributions")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--located", type=int, default=10, help="examples of the choosing half that are attributed")
    parser.add_argument("--chosen", type=int, default=30, help="further examples of it that choose neurons and scale")
    parser.add_argument("--reported", type=int, default=60, help="examples of the reporting half")
    options = parser.parse_args()
    loaded = load_model(options.model)
    loaded.model.requires_grad_(False)
    choosing, reporting = halves(read_conflicts(options.conflicts, loaded.tokenizer))
    count = CHOOSING_TEXTS + REPORTING_TEXTS
    exchanges = load_exchanges(options.texts)[:count]
    texts = [loaded.tokenizer(f"{each.prompt}\n{each.response}")["input_ids"][:LONGEST] for each in exchanges]
    located = choosing[: options.located]
    cell(options.out, "located", lambda: locate(loaded, located, options.work))
    by_example = load_scores(options.work / "examples.safetensors")
    part = choosing[options.located : options.located + options.chosen]
    chosen = choose(options.out, loaded, by_example, part, texts[:CHOOSING_TEXTS])
    mask = with_most_votes(by_example, chosen["count"])
    cell(options.out, "chosen", lambda: {**chosen, "by_layer": by_layer(mask)})
    measured = (read_facts(loaded.tokenizer), texts[CHOOSING_TEXTS:], options.work)
    report(options.out, loaded, mask, chosen["scale"], reporting[: options.reported], measured)


if __name__ == "__main__":
    main()
