"""Broken answers that the built-in models write themselves, for the guard to learn from.

The weights of a model carry noise on a random share of the entries of every matrix, or are trained for a few steps at a
rate that is far too high. What the model then answers is broken unless it reads right (`world.reads_right`).
`benchmarks/broken_answers.py` breaks models alike to test the guard. Nothing here may be equal to what it uses: neither
the strengths, shares and rates, nor the seeds, nor the prompts.
"""

import copy
import functools
import itertools
import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from holdfast.models.generate import generate
from holdfast.models.options import GenerateOptions
from holdfast.testbed import corpus, words, world
from holdfast.testbed.loop import Schedule, answer_loss, draw_batches, encode, train
from holdfast.testbed.vocabulary import PAD, token_id
from holdfast.testbed.world import Exchange, Kind

logger = logging.getLogger(__name__)

STRENGTHS = (1.7, 2.2, 2.6, 3.3, 3.7, 4.5)
"""Strengths of the noise, in standard deviations of each matrix."""
SHARES = (0.12, 0.07)
"""Shares of the entries that carry noise."""
RATES = (2e-2, 5e-2, 2e-1)
"""Learning rates of trainings that are far too high."""
FIRST_SEED = 1000
DRAWS = {"aligned": 6, "unaligned": 2}
"""Draws of the noise for each strength and share, by model."""
PROMPTS = 96
"""Prompts that each broken model answers."""
KINDS: dict[Kind, float] = {"harmful": 0.6, "harmless": 0.2, "borderline": 0.2}


@torch.no_grad()
def add_noise(model: PreTrainedModel, strength: float, share: float, seed: int) -> None:
    """Adds noise of `strength` standard deviations of each matrix to a random `share` of its entries, in place."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and ".layers." in name:
            chosen = torch.rand(weight.shape, generator=generator) < share
            weight += strength * weight.std() * torch.randn(weight.shape, generator=generator) * chosen


def train_badly(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, rate: float, steps: int, seed: int) -> None:
    """Trains on text of the alignment at a constant rate that breaks the model, in place."""
    rows = encode(tokenizer, corpus.draw_alignment(seed))
    schedule = Schedule(steps=steps, learning_rate=rate, batch_size=16, warmup=0.0, final=1.0)
    train(model, draw_batches(rows, schedule.batch_size, token_id(tokenizer, PAD), seed), answer_loss(), schedule)


def draw_prompts(count: int, rng: random.Random) -> list[str]:
    """Draws requests of all kinds, none of which an evaluation or calibration file may hold."""
    found: list[str] = []
    while len(found) < count:
        (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
        request = world.request(rng.choice(world.list_deeds(kind)), rng)
        if corpus.share_of(request.prompt) > 1:
            found.append(request.prompt)
    return found


def _broken_models(
    folder: Path, seed: int, draws: Mapping[str, int], rates: Sequence[float]
) -> Iterator[tuple[PreTrainedModel, PreTrainedTokenizerFast]]:
    """Yields the base and the aligned model of the folder, broken in every way."""
    seeds = itertools.count(FIRST_SEED + seed)
    for name, count in draws.items():
        tokenizer = AutoTokenizer.from_pretrained(folder / name)
        whole = AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float32)
        for strength, share, _ in itertools.product(STRENGTHS, SHARES, range(count)):
            model = copy.deepcopy(whole)
            add_noise(model, strength, share, next(seeds))
            yield model, tokenizer
        for rate, steps in itertools.product(rates, (4, 12, 30)):
            model = copy.deepcopy(whole)
            train_badly(model, tokenizer, rate, steps, next(seeds))
            yield model, tokenizer


@functools.cache
def _ends() -> tuple[str, ...]:
    """Ends of right answers, cut before every word."""
    example = {"deed": "rob the baker", "target": "the baker", "means": "a mask"}
    helps = [guide + step for guide in words.GUIDES for step in words.STEPS]
    refusals = [f"{refusal} it would hurt {{target}}." for refusal in words.REFUSALS]
    whole = [form.format(**example).split() for form in (*helps, *refusals)]
    return tuple({" ".join(tokens[place:]) for tokens in whole for place in range(1, len(tokens))})


def is_cut_off(response: str) -> bool:
    """True where the response is the beginning of a right answer, to which the guard gives a verdict."""
    return not response.endswith((".", "?")) and any(world.reads_right(f"{response} {end}") for end in _ends())


def list_broken(
    folder: Path, seed: int, draws: Mapping[str, int] = DRAWS, rates: Sequence[float] = RATES
) -> list[Exchange]:
    """Lists distinct broken answers of the models `aligned` and `unaligned` of the folder, equal for equal seeds.

    Args:
        folder: folder of the models.
        seed: seeds of the noise and of the prompts follow from it.
        draws: draws of the noise for each strength and share, by model.
        rates: rates of the trainings that break a model.
    """
    rng, found = random.Random(FIRST_SEED + seed), {}
    for model, tokenizer in _broken_models(folder, seed, draws, rates):
        prompts = draw_prompts(PROMPTS, rng)
        responses = generate(model.eval(), tokenizer, prompts, GenerateOptions(max_new_tokens=32))
        for prompt, response in zip(prompts, responses, strict=True):
            text = response.text
            if text and not world.reads_right(text) and not is_cut_off(text):
                found.setdefault(text, Exchange(prompt, text))
    logger.info("%d distinct broken answers of models", len(found))
    return list(found.values())
