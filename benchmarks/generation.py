"""How much faster are prompts answered in batches of like length than one at a time, and are the answers the same?

Measured: wall time of 1,000 prompts of the built-in sets on `testbed:aligned`, greedy, by `generate` with its default
options. Against: the same with batches of one prompt. Both are run in turn in five rounds, so that a busy machine slows
both alike: a round answers all prompts in batches, then a fifth of them one at a time. The median round counts for the
batches, the sum of all rounds for one at a time; CPU seconds of the process are taken the same way. One thread, as the
matrices are small: on a busy machine threads that wait for each other were fifteen times slower on both sides.

Answers are compared token by token. Where two differ, `largest_gap` is the largest difference, over the first tokens
that differ, between the two logits that led there: a tie that rounding decides has a gap of about 1e-5 or less.

Bars: at least 5 times faster, and no answer differs.

    OMP_NUM_THREADS=1 PYTHONPATH=src python benchmarks/generation.py
"""

import json
import sys
import time
from collections.abc import Sequence
from statistics import median

import torch

from holdfast.models.generate import generate
from holdfast.models.load import LoadedModel, load_model
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response
from holdfast.prompts.sources import load_prompts

SETS = ("harmful_seen", "harmful_heldout", "harmless", "borderline", "questions")
PROMPTS_OF_EACH = 200
ROUNDS = 5
BARS = {"speedup": 5, "different": 0}


def first_prompts() -> list[str]:
    """1,000 prompts, those of all sets mixed."""
    sets = [load_prompts(f"testbed:{name}")[:PROMPTS_OF_EACH] for name in SETS]
    return [prompt.prompt for row in zip(*sets, strict=True) for prompt in row]


def timed(loaded: LoadedModel, prompts: Sequence[str], options: GenerateOptions) -> tuple[list[Response], float, float]:
    """Answers, wall seconds and CPU seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    answers = generate(loaded.model, loaded.tokenizer, prompts, options)
    return answers, time.perf_counter() - wall, time.process_time() - processor


@torch.no_grad()
def gap(loaded: LoadedModel, ours: Response, alone: Response) -> float:
    """The difference between the logits of the two tokens, of which the two answers chose one each."""
    chosen = [[*answer.token_ids, answer.end_id or 0] for answer in (ours, alone)]
    place = next(order for order, (one, other) in enumerate(zip(*chosen, strict=False)) if one != other)
    logits = loaded.model(torch.tensor([alone.prompt_ids + alone.token_ids[:place]])).logits[0, -1]
    return abs(float(logits[chosen[0][place]] - logits[chosen[1][place]]))


def main() -> int:
    """Measures and prints."""
    loaded, prompts = load_model("testbed:aligned"), first_prompts()
    batched, alone = GenerateOptions(), GenerateOptions(token_budget=1)
    timed(loaded, prompts[:64], batched)  # warms up
    answers: list[Response] = []
    one_by_one: list[Response] = []
    together, apart = [], []
    for order in range(ROUNDS):
        answers, *took = timed(loaded, prompts, batched)
        together.append(took)
        part = prompts[order * len(prompts) // ROUNDS : (order + 1) * len(prompts) // ROUNDS]
        found, *took = timed(loaded, part, alone)
        one_by_one += found
        apart.append(took)
        print(f"round {order + 1}: {together[-1]} in batches, {apart[-1]} for a fifth one at a time", file=sys.stderr)
    pairs = [pair for pair in zip(answers, one_by_one, strict=True) if pair[0] != pair[1]]
    ours, theirs = [median(one) for one in zip(*together, strict=True)], [sum(one) for one in zip(*apart, strict=True)]
    figures = {
        "batched_s": round(ours[0], 2),
        "one_at_a_time_s": round(theirs[0], 2),
        "speedup": round(theirs[0] / ours[0], 2),
        "processor_speedup": round(theirs[1] / ours[1], 2),
        "prompts": len(prompts),
        "tokens": sum(len(answer.token_ids) for answer in answers),
        "different": len(pairs),
        "largest_gap": max((gap(loaded, *pair) for pair in pairs), default=0.0),
        "threads": torch.get_num_threads(),
    }
    passed = figures["speedup"] >= BARS["speedup"] and not pairs
    print(json.dumps({"name": "generation", "figures": figures, "bars": BARS, "pass": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
