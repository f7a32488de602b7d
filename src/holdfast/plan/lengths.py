"""Lengths of prompts, responses and exchanges: measured where the prompt set is on this machine, guessed where not.

Guesses: a missing set has 1,000 prompts of 128 tokens with responses of 128 tokens. Without a tokenizer a token has 4
characters, and a chat template 16 tokens. For a large set the first 512 rows are measured.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from holdfast.prompts.chat import encode_exchange, encode_prompt
from holdfast.prompts.fetch import cached_file
from holdfast.prompts.known import KNOWN
from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.records import Exchange, Prompt

MEASURED = 512
UNKNOWN_ROWS, UNKNOWN_TOKENS = 1000, 128
CHARACTERS, TEMPLATE = 4, 16


@dataclass(frozen=True)
class Lengths:
    """Lengths of a set's rows, in tokens of one model."""

    prompts: tuple[int, ...]
    """Tokens of each prompt in its chat template."""
    responses: tuple[int, ...]
    """Tokens of each response, 0 where there is none."""
    is_here: bool = True
    """False where the set could not be read, so that all lengths are guesses."""

    @property
    def exchanges(self) -> list[int]:
        """Tokens of each prompt with its response."""
        return [prompt + response for prompt, response in zip(self.prompts, self.responses, strict=True)]

    def __add__(self, other: "Lengths") -> "Lengths":
        return Lengths(self.prompts + other.prompts, self.responses + other.responses, self.is_here and other.is_here)

    def first(self, limit: int | None) -> "Lengths":
        """Returns the first rows."""
        return Lengths(self.prompts[:limit], self.responses[:limit], self.is_here)


NONE = Lengths((), ())


def prompt_lengths(name: str, tokenizer: PreTrainedTokenizerBase | None) -> Lengths:
    """Measures or guesses the lengths of a set's prompts."""
    if not is_here(name):
        return _unknown(name)
    rows = load_prompts(name)
    return _repeated([(_prompt_tokens(row, tokenizer), 0) for row in rows[:MEASURED]], len(rows))


def exchange_lengths(name: str, tokenizer: PreTrainedTokenizerBase | None) -> Lengths:
    """Measures or guesses the lengths of a set's prompts and responses."""
    if not is_here(name):
        return _unknown(name)
    rows = load_exchanges(name)
    return _repeated([_exchange_tokens(row, tokenizer) for row in rows[:MEASURED]], len(rows))


def is_here(name: str) -> bool:
    """True where a set can be read without a download. A wrong path counts too, and raises an error when read."""
    before, marked, _ = name.rpartition("#")
    known = KNOWN.get(before if marked else name)
    return known is None or cached_file(known).is_file()


def texts(name: str) -> Sequence[str]:
    """Reads the texts of a set's first prompts. Empty where a download would be needed."""
    return [row.prompt for row in load_prompts(name)[:MEASURED]] if is_here(name) else []


def _unknown(name: str) -> Lengths:
    asked = re.search(r"[#&](?:first|sample)=(\d+)$", name)
    rows = int(asked[1]) if asked else UNKNOWN_ROWS
    return Lengths((UNKNOWN_TOKENS,) * rows, (UNKNOWN_TOKENS,) * rows, is_here=False)


def _repeated(measured: Sequence[tuple[int, int]], count: int) -> Lengths:
    """Repeats the measured lengths up to the number of rows."""
    rows = [measured[place % len(measured)] for place in range(count)]
    return Lengths(tuple(prompt for prompt, _ in rows), tuple(response for _, response in rows))


def _prompt_tokens(row: Prompt, tokenizer: PreTrainedTokenizerBase | None) -> int:
    return _guessed(row.prompt) if tokenizer is None else len(encode_prompt(tokenizer, row.prompt))


def _exchange_tokens(row: Exchange, tokenizer: PreTrainedTokenizerBase | None) -> tuple[int, int]:
    if tokenizer is None:
        return _guessed(row.prompt), len(row.response) // CHARACTERS + 1
    prompt = len(encode_prompt(tokenizer, row.prompt))
    return prompt, max(0, len(encode_exchange(tokenizer, row.prompt, row.response).token_ids) - prompt)


def _guessed(text: str) -> int:
    return len(text) // CHARACTERS + TEMPLATE
