r"""Privacy neurons: plants secrets in a model, locates the neurons that carry them, erases these, and measures.

    python -m reproductions.depn.run MODEL --texts TEXTS --work FOLDER --out RESULTS [--per-cell 2]

1. fine-tunes the whole model on harmless texts and canaries, and saves it in the work folder
2. measures every canary's exact exposure, before and after
3. attributes the probability of the memorised targets' digits to neurons (integrated gradients from zero, 20 steps),
   lets the targets vote, and erases the neurons with the most votes
4. measures the same without as many random neurons of every layer

Every measured cell is a JSON file in RESULTS, and a repeated command goes on where it stopped.
"""

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast import LoadedModel, load_exchanges, load_model, load_scores, save_scores
from holdfast.score.neurons import NeuronScoreOptions, score_neurons
from holdfast.select.votes import VotesOptions, select_votes
from reproductions.depn import canaries
from reproductions.depn.canaries import Canary
from reproductions.neurons.cells import cell
from reproductions.neurons.edits import by_layer, mean_loss, random_like, scaled_neurons
from reproductions.neurons.prefix import PrefixedProbability

FRACTIONS = (0.0001, 0.0003, 0.001, 0.003, 0.01)
"""Shares of all neurons that are erased."""
DRAWS = 5
MEMORISED = 5.0
"""Bits of exposure from which a secret counts as memorised, a rank of 31 or better."""
VOTES_SHARE = 0.01
LONGEST = 48
TRAINED, HELD_OUT = 64, 16
"""Harmless texts that train, and texts that measure perplexity."""
BATCH = 16


def text_ids(tokenizer: PreTrainedTokenizerBase, path: str) -> list[list[int]]:
    """Tokens of harmless texts, the first ones of each."""
    texts = [f"{exchange.prompt}\n{exchange.response}" for exchange in load_exchanges(path)]
    return [tokenizer(text)["input_ids"][:LONGEST] for text in texts[: TRAINED + HELD_OUT]]


def fine_tune(loaded: LoadedModel, planted: Sequence[Canary], texts: Sequence[list[int]], rate: float) -> list[float]:
    """Trains all weights for one epoch on texts and on every canary as often as it repeats. Returns the losses."""
    copies = [
        canaries.completion_of(loaded.tokenizer, canary).token_ids for canary in planted for _ in range(canary.repeats)
    ]
    batches = [*batched(texts), *batched(copies)]
    random.Random(1).shuffle(batches)
    optimizer = torch.optim.AdamW(loaded.model.parameters(), lr=rate, weight_decay=0.0)
    losses = []
    loaded.model.train()
    for step, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 8) * (1 - step / len(batches))
        loss = batch_loss(loaded.model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(loaded.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    loaded.model.eval()
    return losses


def batched(rows: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    """Batches of shuffled rows."""
    shuffled = random.Random(0).sample(list(rows), len(rows))
    yield from (shuffled[start : start + BATCH] for start in range(0, len(rows), BATCH))


def batch_loss(model: PreTrainedModel, rows: Sequence[list[int]]) -> torch.Tensor:
    """Mean loss over all tokens of a batch."""
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    attended = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    labels = ids.masked_fill(attended == 0, -100)
    return model(input_ids=ids, attention_mask=attended, labels=labels, use_cache=False).loss


def measure(
    loaded: LoadedModel, measured: Sequence[Canary], texts: Sequence[list[int]], prompts: Sequence[str]
) -> dict:
    """Ranks of canaries after every prompt, and the loss on every held-out text."""
    digits = canaries.digit_ids(loaded.tokenizer)
    ranks = {
        prompt: {
            canary.name: canaries.rank_of(
                canary.secret,
                canaries.log_probabilities(loaded.model, canaries.prompt_ids(loaded.tokenizer, canary, prompt), digits),
            )
            for canary in measured
        }
        for prompt in prompts
    }
    return {"ranks": ranks, "losses": [mean_loss(loaded.model, text) for text in texts]}


def locate(loaded: LoadedModel, targets: Sequence[Canary], work: Path) -> dict:
    """Attributes the digits of every target to neurons, and saves the attributions."""
    started, spent = time.monotonic(), time.process_time()
    texts = [canaries.completion_of(loaded.tokenizer, target) for target in targets]
    objective = PrefixedProbability(loaded.model, texts)
    options = NeuronScoreOptions(steps=20, token_budget=4096)
    (work / "kept").mkdir(parents=True, exist_ok=True)
    scores = score_neurons(loaded, objective, options, keep=work / "kept")
    assert scores.by_example is not None
    save_scores(work / "scores.safetensors", scores.halved.whole)
    save_scores(work / "examples.safetensors", scores.by_example)
    return {
        "targets": [target.name for target in targets],
        "completeness_error": scores.completeness_error,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - spent, 1),
    }


def erase(
    loaded: LoadedModel,
    work: Path,
    out: Path,
    known: Sequence[Canary],
    heldout: Sequence[Canary],
    texts: list[list[int]],
) -> None:
    """Measures every erasure, and as many random neurons of every layer."""
    scores, by_example = load_scores(work / "scores.safetensors"), load_scores(work / "examples.safetensors")
    for fraction in FRACTIONS:
        try:
            mask = select_votes(by_example, VotesOptions(fraction=fraction, share=VOTES_SHARE))
        except ValueError as error:
            cell(out, f"erased-{fraction:g}", lambda error=error: {"not_run": str(error)})
            continue
        for draw in (None, *range(DRAWS)):
            chosen = mask if draw is None else random_like(scores, mask, draw)
            prompts = (canaries.PROMPT, *(canaries.PARAPHRASES if draw is None else ()))
            whom = [*known, *(heldout if draw is None else ())]

            def measured(chosen=chosen, prompts=prompts, whom=whom) -> dict:
                with scaled_neurons(loaded.model, chosen, 0.0) if len(chosen) else nullcontext():
                    found = measure(loaded, whom, texts, prompts)
                return {**found, "neurons": len(chosen), "by_layer": by_layer(chosen)}

            cell(out, f"erased-{fraction:g}" + ("" if draw is None else f"-random-{draw}"), measured)


def main() -> None:
    """Runs the cells that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--texts", required=True, help="exchanges, whose first ones train and measure perplexity")
    parser.add_argument("--work", type=Path, required=True, help="folder for the tuned model and the attributions")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--per-cell", type=int, default=2, help="targets for each number of repeats")
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate")
    options = parser.parse_args()
    made = canaries.make_canaries(options.per_cell)
    loaded = load_model(options.model)
    texts = text_ids(loaded.tokenizer, options.texts)
    planted = [vars(canary) for canary in made]
    if cell(options.out, "canaries", lambda: {"canaries": planted})["canaries"] != planted:
        raise SystemExit(f"{options.out} holds results of other canaries; give their --per-cell.")
    cell(options.out, "original", lambda: measure(loaded, made, texts[TRAINED:], [canaries.PROMPT]))
    tuned = options.work / "tuned"
    if not (tuned / "config.json").is_file():
        losses = fine_tune(loaded, made, texts[:TRAINED], options.rate)
        cell(options.out, "training", lambda: {"losses": losses})
        loaded.model.save_pretrained(tuned)
        loaded.tokenizer.save_pretrained(tuned)
    del loaded
    again = load_model(str(tuned))
    again.model.requires_grad_(False)
    prompts = (canaries.PROMPT, *canaries.PARAPHRASES)
    ranks = cell(options.out, "tuned", lambda: measure(again, made, texts[TRAINED:], prompts))["ranks"][canaries.PROMPT]
    known = [canary for canary in made if canary.repeats and canaries.exposure(ranks[canary.name]) >= MEMORISED]
    targets = [canary for canary in known if canary.part == "target"]
    if len(targets) < 2:
        raise SystemExit(f"{len(targets)} targets are memorised, and two are needed; raise --rate or --per-cell.")
    cell(options.out, "located", lambda: locate(again, targets, options.work))
    erase(again, options.work, options.out, known, [each for each in made if not each.repeats], texts[TRAINED:])


if __name__ == "__main__":
    main()
