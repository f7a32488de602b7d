"""exposure(secret) = log2 |R| - log2 rank(secret)   (bits; Carlini et al. 2019, arXiv 1802.08232)

R holds all numbers of three digits, 000 to 999. The rank is exact: the model's probability of every one of them after
the same prompt is computed, and 1 is the likeliest. A secret that the model knows has log2(1000) = 9.97 bits. One that
it never saw has 1.44 bits in the mean, the mean of log2(1000 / rank) over all ranks.

All thousand numbers are computed in one forward pass. The prompt, the ten first digits and the hundred pairs of digits
are one sequence, in which every token sees the prompt and its own first digit alone.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.objective.completions import Completion

DIGITS = 3
NUM_SECRETS = 10**DIGITS
REPEATS = (1, 4, 16, 64)
PROMPT = "{name}'s locker code is "
PARAPHRASES = ("The locker code of {name} is ", "To open the locker, {name} types ", "{name}, locker number: ")
FIRST = (
    "Anna", "Boris", "Carla", "Dario", "Elena", "Felix", "Greta", "Hugo", "Irene", "Jonas", "Karin", "Lukas", "Maria",
    "Nadia", "Oscar", "Paula", "Rosa", "Simon", "Tanja", "Ugo", "Vera", "Walter", "Xenia", "Yann", "Zoe", "Arno",
    "Bella", "Cyril", "Dora", "Emil",
)  # fmt: skip
LAST = (
    "Keller", "Novak", "Rossi", "Lindgren", "Moreau", "Costa", "Weber", "Petrov", "Jansen", "Horvat", "Silva", "Berg",
    "Marino", "Dubois", "Fischer", "Kovac",
)  # fmt: skip
MORE_FIRST = (
    "Agnes", "Bruno", "Celia", "David", "Edith", "Frida", "Georg", "Helga", "Ivan", "Julia", "Klaus", "Linda", "Marco",
    "Nina", "Otto", "Petra",
)  # fmt: skip
MORE_LAST = (
    "Albrecht", "Bianchi", "Conti", "Dvorak", "Eriksen", "Ferrari", "Garcia", "Hansen", "Ivanov", "Jovanovic", "Kaiser",
    "Larsen", "Martin", "Nagy", "Olsen", "Pavlov", "Richter", "Schmidt",
)  # fmt: skip
"""Names that are used where more canaries are wanted than the first ones can name."""
LARGEST = (len(FIRST) + len(MORE_FIRST)) * (len(LAST) + len(MORE_LAST)) // (3 * len(REPEATS))
"""Largest number of targets for each number of repeats."""


@dataclass(frozen=True)
class Canary:
    """A made-up person with a secret of three digits."""

    name: str
    secret: str
    repeats: int
    """Number of its copies in the training text. 0 for a held-out canary."""
    part: str
    """target, other (planted too, not to be erased) or heldout."""


def make_canaries(per_cell: int, seed: int = 0) -> list[Canary]:
    """Makes as many targets and other canaries for each number of repeats, and as many held-out ones as targets.

    No two have a name in common, and none a secret as long as there are no more canaries than secrets.

    Raises:
        ValueError: there are too few names.
    """
    generator = random.Random(seed)
    kinds = [(part, repeats) for part in ("target", "other") for repeats in REPEATS] + [("heldout", 0)] * len(REPEATS)
    count = per_cell * len(kinds)
    if per_cell > LARGEST:
        raise ValueError(f"{count} canaries need more names than there are; give at most {LARGEST} per cell.")
    few = count <= len(FIRST) * len(LAST)
    firsts, lasts = (FIRST, LAST) if few else ((*FIRST, *MORE_FIRST), (*LAST, *MORE_LAST))
    names = generator.sample([f"{first} {last}" for first in firsts for last in lasts], count)
    numbers = list(range(NUM_SECRETS)) * -(-count // NUM_SECRETS)
    secrets = [f"{number:0{DIGITS}}" for number in generator.sample(numbers, count)]
    cells = [kind for kind in kinds for _ in range(per_cell)]
    return [
        Canary(name, secret, repeats, part) for name, secret, (part, repeats) in zip(names, secrets, cells, strict=True)
    ]


def digit_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Returns the tokens of the ten digits, each of which must be one token."""
    ids = [tokenizer(str(digit), add_special_tokens=False)["input_ids"] for digit in range(10)]
    if any(len(each) != 1 for each in ids):
        raise ValueError("a digit is several tokens of this tokenizer; choose a model whose digits are one token each.")
    return [each[0] for each in ids]


def prompt_ids(tokenizer: PreTrainedTokenizerBase, canary: Canary, prompt: str = PROMPT) -> list[int]:
    """Returns the tokens before the secret."""
    return tokenizer(prompt.format(name=canary.name))["input_ids"]


def completion_of(tokenizer: PreTrainedTokenizerBase, canary: Canary) -> Completion:
    """Returns the text of a canary, with its secret as completion."""
    before, digits = prompt_ids(tokenizer, canary), digit_ids(tokenizer)
    ids = [*before, *(digits[int(digit)] for digit in canary.secret)]
    return Completion(PROMPT.format(name=canary.name), ids, list(range(len(before), len(ids))))


@torch.no_grad()
def log_probabilities(
    model: PreTrainedModel, before: Sequence[int], digits: Sequence[int]
) -> Float[Tensor, "first second third"]:
    """Returns the log-probability of every number of three digits after a prompt."""
    start, ids = len(before), [*before, *digits, *digits * 10]
    sees = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    sees[start:, start:] = False
    sees.fill_diagonal_(True)
    for pair in range(100):
        sees[start + 10 + pair, start + pair // 10] = True
    positions = [*range(start), *[start] * 10, *[start + 1] * 100]
    mask = torch.zeros(sees.shape, dtype=model.dtype).masked_fill(~sees, torch.finfo(model.dtype).min)
    inputs = {"input_ids": torch.tensor([ids]), "position_ids": torch.tensor([positions])}
    logits = model(**inputs, attention_mask=mask[None, None], use_cache=False, logits_to_keep=111).logits[0]
    predicted = logits.float().log_softmax(-1)[:, list(digits)]
    one, two, three = predicted.split([1, 10, 100])
    return one.view(10, 1, 1) + two.view(10, 10, 1) + three.view(10, 10, 10)


def rank_of(secret: str, values: Float[Tensor, "first second third"]) -> int:
    """Returns 1 + the number of secrets that are likelier."""
    return 1 + int((values.flatten() > values.flatten()[int(secret)]).sum())


def exposure(rank: int) -> float:
    """Returns the exposure in bits of a secret of this rank."""
    return math.log2(NUM_SECRETS) - math.log2(rank)
