"""Detects a response that repeats itself: a word, a phrase, a sentence, a paragraph, or most of its text.

The rules work on words, in any script. List numbers, bullets and the marks of tables are left out first.
    loop        one unit back to back: a word 5 times, up to 4 words 4 times, longer ones 3 times (verses 2 times more)
    twice       one unit of at least 5 words back to back that fills 3/5 of the response
    said again  stretches of 5 words that stood before make up a quarter of a response of at least 36 words, or
                stretches of 4 words half of one of at least 16 (in lists and verses, whose lines are built alike, 3/5)
    items       a third of a list's items are equal, or begin with the same heading
    counting    numbers that go up by one fill half of the response, and the prompt asks for none
Numbers alone are no unit, since tables repeat them. Code is left out, since its lines are alike.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]|"
    r"[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]+(?:['\u2019][^\W_]+)*"
)
"""A word. In scripts without blanks, a character."""
MARKER = re.compile(r"^[ \t>]*(?:[-*\u2022+|#]+|\(?(?:\d{1,3}|[A-Za-z])[.)\]:])[ \t]*", re.MULTILINE)
"""The beginning of a line in a list, table or heading."""
CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Loop:
    """The number of times that a unit of so many words has to stand back to back."""

    longest: int
    repeats: int


LOOPS = (Loop(1, 5), Loop(4, 4), Loop(400, 3))
MORE_IN_VERSES = 2
SOUNDS = frozenset({"ha", "ho", "la", "na", "no", "oh", "yeah", "hey", "doo"})
SOUNDS_REPEAT = 12
"""Number of times that sounds of laughing, singing and calling may repeat."""
TWICE_FROM, TWICE_SHARE = 5, 0.6


@dataclass(frozen=True)
class Again:
    """A limit on stretches of words that stood before: their `share` of a response of at least `fewest` words."""

    stretch: int
    fewest: int
    share: float
    alike: float
    """The share for a list, whose items are built alike, and for verses that the prompt asks for."""


AGAIN = (Again(5, 36, 0.25, 0.6), Again(4, 16, 0.5, 0.6))
LIST_ITEMS = 3
ITEM = re.compile(r"^[ \t]*(?:[-*\u2022]|\d{1,3}[.)])[ \t]+(\S.*)", re.MULTILINE)
HEAD_WORDS, SAME_ITEMS = 3, 1 / 3
"""Items are the same if they are equal or begin with the same words up to a colon. This share of them is a fault."""
VERSE = re.compile(
    r"\b(?:poems?|songs?|lyrics?|verses?|rhymes?|chorus|refrain|ballad|hymn|chant|lullaby|sonnet|villanelle)\b",
    re.IGNORECASE,
)
WORDS_A_LINE = 12
READ_WORDS = 1500
COUNTED, COUNTED_SHARE = 8, 0.5
"""Fewest whole numbers that go up by one, and smallest share of the response that they fill, to be called counting."""
ASKS_TO_COUNT = re.compile(
    r"\b(?:count|numbers?|integers?|digits?|sequence|series|list|table|primes?|squares?|multiples?|years?|dates?|"
    r"calendar|pages?|all|range|code|function|program|print)\b",
    re.IGNORECASE,
)


def why_repetitive(text: str, prompt: str) -> str | None:
    """Returns the text that a response repeats.

    None if it goes on to say something else, or its prompt asks to count.
    """
    text = CODE.sub("\n", text)
    words = words_of(text)
    items = [_head(item[1]) for item in ITEM.finditer(text)]
    counting = None if ASKS_TO_COUNT.search(prompt) else _counting(words)
    verses = VERSE.search(prompt) is not None and _in_lines(text, words)
    alike = verses or len(items) >= LIST_ITEMS
    return _loop(words, verses=verses) or counting or _same_items(items) or _said_again(words, alike=alike)


def words_of(text: str) -> list[str]:
    """Returns the words of a text in small letters, without the marks of lists and tables."""
    return WORD.findall(MARKER.sub("", text).casefold())[:READ_WORDS]


def _loop(words: Sequence[str], *, verses: bool) -> str | None:
    for length in range(1, min(len(words) // 2, LOOPS[-1].longest) + 1):
        begin, end = _longest_run(words, length)
        unit, repeats = words[begin : begin + length], (end - begin) // length
        if not any(word.isalpha() for word in unit):
            continue
        fills = length >= TWICE_FROM and repeats >= 2 and end - begin >= TWICE_SHARE * len(words) and not verses
        if fills or repeats >= _needed(unit, verses=verses):
            return f"the response repeats {' '.join(unit)[:80]!r}"
    return None


def _needed(unit: Sequence[str], *, verses: bool) -> int:
    """Returns the number of times that a unit has to stand back to back to be a loop."""
    if SOUNDS.issuperset(unit):
        return SOUNDS_REPEAT
    return next(loop.repeats for loop in LOOPS if len(unit) <= loop.longest) + MORE_IN_VERSES * verses


def _longest_run(words: Sequence[str], length: int) -> tuple[int, int]:
    """Returns the longest stretch in which every word equals the one `length` words before it."""
    best, begin = (0, 0), 0
    for place in range(length, len(words) + 1):
        if place == len(words) or words[place] != words[place - length]:
            if place - begin > max(length, best[1] - best[0]):
                best = begin, place
            begin = place - length + 1
    return best


def _in_lines(text: str, words: Sequence[str]) -> bool:
    """Returns True if a text stands in short lines, as verses do."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) >= LIST_ITEMS and len(words) <= WORDS_A_LINE * len(lines)


def _counting(words: Sequence[str]) -> str | None:
    """Returns a reason if a response counts up, as a model does that has lost its thread."""
    numbers = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 12]
    steps = [then - now == 1 for now, then in pairwise(numbers)]
    if sum(steps) >= COUNTED - 1 and sum(steps) + 1 >= COUNTED_SHARE * len(words):
        return f"the response counts up from {numbers[0]}"
    return None


def _head(item: str) -> tuple[str, ...]:
    """Returns the topic of an item: its words up to the first colon."""
    return tuple(words_of(item.partition(":")[0]))


def _same_items(heads: Sequence[tuple[str, ...]]) -> str | None:
    named = [head for head in heads if any(word.isalpha() for word in head)]
    again = len(named) - len(set(named))
    long_heads = all(len(head) >= HEAD_WORDS for head in named)
    if len(named) >= (2 if long_heads else LIST_ITEMS) and again >= SAME_ITEMS * len(named):
        return f"{again + 1} items of the response are the same: {' '.join(max(named, key=named.count))[:80]!r}"
    return None


def _said_again(words: Sequence[str], *, alike: bool) -> str | None:
    for rule in AGAIN:
        share = share_said_again(words, rule.stretch)
        if len(words) >= rule.fewest and share >= (rule.alike if alike else rule.share):
            return f"a share of {share:.2f} of the response says again what it has said"
    return None


def share_said_again(words: Sequence[str], stretch: int) -> float:
    """Returns the share of the words that belong to a stretch which stood before."""
    seen, again = set(), [False] * len(words)
    for place in range(len(words) - stretch + 1):
        part = tuple(words[place : place + stretch])
        if part in seen:
            again[place : place + stretch] = [True] * stretch
        seen.add(part)
    return sum(again) / len(words) if words else 0.0
