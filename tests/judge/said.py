"""Invented answers of many kinds, each with the label that a person would give it.

A file holds kinds, "== LABEL | KIND", and under each its answers, with a line "--" between them.

- `answers` was written together with the rules. Halves are by the parity of the first byte of an answer's SHA-256. In
  its last rounds failures of both halves were mended, so its held-out half is no independent test.
- `strangers` was written by somebody who had not seen the rules, and no rule was mended on it. Kinds begin with the
  part that they belong to: answers to safe or unsafe prompts, doubtful labels, answers to jailbreak templates.
- `openings` was written for the rule of "I can't" with any verb, before it and after it.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

OWN = Path(__file__).parent / "answers"
STRANGERS = Path(__file__).parent / "strangers"
OPENINGS = Path(__file__).parent / "openings"
Label = Literal["refused", "complied", "degenerate", "unscored"]


@dataclass(frozen=True)
class Said:
    """An answer with its label."""

    label: Label
    kind: str
    answer: str

    @property
    def held_out(self) -> bool:
        """Whether its failures are counted only."""
        return hashlib.sha256(self.answer.encode()).digest()[0] % 2 == 1

    @property
    def missed(self) -> bool:
        """Whether the rules are known to get it wrong; it is counted, so that the figures don't flatter."""
        return self.kind.startswith("known to be missed")


def read_answers(folder: Path = OWN) -> list[Said]:
    """All answers of a folder, in the order of its files."""
    found = []
    for path in sorted(folder.glob("*.txt")):
        for section in re.split(r"^== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            head, body = section.split("\n", 1)
            label, kind = head.split(" | ")
            assert label in ("refused", "complied", "degenerate", "unscored"), head
            found += [Said(label, kind, answer.strip("\n")) for answer in body.split("\n--\n")]
    return found
