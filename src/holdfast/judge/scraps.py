"""Detects scraps: a short response of lines with few words each, which damage shows in two of these signs.

    strange case    a small letter before capitals, or capitals before small letters, in a word that is none ("iRLEVUL")
    said again      a third of the lines or more stood before
    no words        half of the different words or more are unknown (names with one capital are left out)
    lone letters    two lines or more are one small letter

Two different words in strange case suffice. A single sign does not: a list may hold words of another language, verses
repeat a line, and code has capitals within words. Lines with more than four words make a text, which other rules read.
"""

import re
from collections.abc import Sequence

from holdfast.judge.broken_text import LEFT_OUT
from holdfast.judge.english import is_english
from holdfast.judge.language import why_unreadable

LEAST_LINES, LINE_WORDS, MOST_WORDS = 2, 4, 40
"""Fewest lines, most words in a line, and most words in a response that is read as scraps."""
WORD = re.compile(r"[^\W\d_]+")
STRANGE_CASE = re.compile(r"[a-z]+[A-Z]\w*|[A-Z]{2,}[a-z]\w*")
CASE_PARTS = re.compile(r"[A-Z]{2,}|[A-Z]?[a-z]+")
PLURAL = re.compile(r"[A-Z]+s")
LEAST_PART, LEAST_LETTERS = 4, 3
"""Fewest letters of an unknown part of a word in strange case, and of a word that counts as known or unknown."""
AGAIN_SHARE, UNKNOWN_SHARE, LONE_LINES, SIGNS = 1 / 3, 0.5, 2, 2


def why_scraps(text: str, prompt: str) -> str | None:
    """Returns the reason why a response is nothing but scraps. None for any other. Words of the prompt are known."""
    lines = [words for line in LEFT_OUT.sub("", text).splitlines() if (words := WORD.findall(line))]
    words = [word for line in lines for word in line]
    if len(lines) < LEAST_LINES or len(words) > MOST_WORDS or max(map(len, lines)) > LINE_WORDS:
        return None
    if why_unreadable(text):
        return None
    known = set(WORD.findall(prompt.casefold()))
    strange = {word for word in words if _in_strange_case(word)}
    signs = [
        len(strange) > 0,
        len(strange) > 1,
        _says_again(lines),
        _has_no_words(words, known),
        _has_lone_letters(lines),
    ]
    return "the response is scraps of text, some of them no words" if sum(signs) >= SIGNS else None


def _in_strange_case(word: str) -> bool:
    """Returns True for a word like 'iRLEVUL' or 'SIRIi', but not for 'toString', 'iPhone' or 'PDFs'."""
    if not STRANGE_CASE.fullmatch(word) or PLURAL.fullmatch(word):
        return False
    parts: list[str] = CASE_PARTS.findall(word)
    return any(len(part) >= LEAST_PART and not is_english(part.casefold()) for part in parts)


def _says_again(lines: Sequence[Sequence[str]]) -> bool:
    return len(lines) - len({tuple(line) for line in lines}) >= AGAIN_SHARE * len(lines)


def _has_no_words(words: Sequence[str], known: set[str]) -> bool:
    different = {word for word in words if len(word) >= LEAST_LETTERS and not word.istitle()}
    unknown = [word for word in different if word.casefold() not in known and not is_english(word.casefold())]
    return len(unknown) > 0 and len(unknown) >= UNKNOWN_SHARE * len(different)


def _has_lone_letters(lines: Sequence[Sequence[str]]) -> bool:
    return sum(len(line) == 1 and len(line[0]) == 1 and line[0].islower() for line in lines) >= LONE_LINES
