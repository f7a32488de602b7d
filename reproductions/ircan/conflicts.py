"""Reads conflicts between a prompt and what a model knows, and judges the model's next token.

A record of MemoTrap asks for a proverb that ends in another word than the known one. Its context is the text before
the last ': ', the question the text after it. One class is the word that the context asks for, the other, the trap,
the known ending. Only the first token of each counts, and records whose first tokens are equal are left out.

    accuracy          share of prompts at which the context's word is likelier than the trap
    context on top    share at which the context's word is the likeliest of all tokens
    stubbornness      share at which the trap is the likeliest of all tokens
"""

import ast
import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from holdfast.json_files import parse_json
from holdfast.models.logits import logits_at
from holdfast.prompts.batching import right_pad

FACTS = Path(__file__).parent / "facts.tsv"
MISLEADING = "A new report says the following. {question} {false}. {question}"
CAD_ALPHA = 0.5
BATCH = 10


@dataclass(frozen=True)
class Conflict:
    """A prompt with the answers of its context and of the model's memory, as first tokens."""

    with_context: list[int]
    alone: list[int]
    """The question without its context."""
    context: int
    trap: int
    text: str
    """The whole prompt."""


def read_conflicts(path: Path, tokenizer: PreTrainedTokenizerBase) -> list[Conflict]:
    """Reads the records of MemoTrap whose two answers differ in their first token, and whose prompts end alike."""
    records = [parse_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = []
    for record in records:
        classes: list[str] = ast.literal_eval(record["classes"])
        question = record["prompt"].rpartition(": ")[2]
        right = record["answer_index"]
        found.append(_conflict(tokenizer, record["prompt"], question, classes[right], classes[1 - right]))
    return [each for each in found if each.context != each.trap and each.with_context[-1] == each.alone[-1]]


def read_facts(tokenizer: PreTrainedTokenizerBase) -> list[Conflict]:
    """Reads our own facts. The context of each states something false, which is the context's answer."""
    with FACTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        _conflict(tokenizer, MISLEADING.format(**row), row["question"], f" {row['false']}", f" {row['true']}")
        for row in rows
    ]


def _conflict(tokenizer: PreTrainedTokenizerBase, prompt: str, question: str, context: str, trap: str) -> Conflict:
    first = [tokenizer(f"{prompt}{answer}")["input_ids"] for answer in (context, trap)]
    whole, alone = (tokenizer(text)["input_ids"] for text in (prompt, question))
    return Conflict(whole, alone, first[0][len(whole)], first[1][len(whole)], prompt)


def halves(conflicts: Sequence[Conflict], seed: int = 0) -> tuple[list[Conflict], list[Conflict]]:
    """Splits conflicts at random into one half for choosing and one for reporting."""
    shuffled = random.Random(seed).sample(list(conflicts), len(conflicts))
    return shuffled[: len(shuffled) // 2], shuffled[len(shuffled) // 2 :]


@torch.no_grad()
def next_logits(model: PreTrainedModel, prompts: Sequence[list[int]]) -> Float[Tensor, "prompt d_vocab"]:
    """Returns the logits of the token after every prompt."""
    parts = []
    for start in range(0, len(prompts), BATCH):
        ids, attended = right_pad(prompts[start : start + BATCH], pad_id=0)
        last = torch.arange(len(ids)), attended.sum(1) - 1
        parts.append(logits_at(model, *last, {"input_ids": ids, "attention_mask": attended}))
    return torch.cat(parts)


def context_aware(
    with_context: Float[Tensor, "prompt d_vocab"], alone: Float[Tensor, "prompt d_vocab"], alpha: float = CAD_ALPHA
) -> Float[Tensor, "prompt d_vocab"]:
    """Returns the logits of context-aware decoding, (1 + a) with - a without the context (arXiv 2305.14739)."""
    return (1 + alpha) * with_context - alpha * alone


def judged(logits: Float[Tensor, "prompt d_vocab"], conflicts: Sequence[Conflict]) -> dict[str, list[bool]]:
    """Judges every prompt: is the context's answer likelier than the trap, and which of them is on top?"""
    rows, top = range(len(conflicts)), logits.argmax(1).tolist()
    return {
        "accuracy": [
            bool(logits[row, each.context] > logits[row, each.trap]) for row, each in zip(rows, conflicts, strict=True)
        ],
        "context_on_top": [token == each.context for token, each in zip(top, conflicts, strict=True)],
        "stubbornness": [token == each.trap for token, each in zip(top, conflicts, strict=True)],
    }
