"""Knows common English words, so that text of unknown words stands out. Uses no model and no network.

english_words.txt holds 7,700 base forms. They are words in a tokenizer's vocabulary (SmolLM2's, Apache-2.0) that
English texts use too, since a vocabulary alone is full of word beginnings such as "includ". Rules take endings off.
"""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

ENDINGS = (
    ("ies", ("y",)),
    ("ied", ("y",)),
    ("ily", ("y",)),
    ("es", ("", "e")),
    ("s", ("",)),
    ("ed", ("", "e")),
    ("ing", ("", "e")),
    ("ly", ("", "le")),
    ("er", ("", "e")),
    ("ers", ("", "e")),
    ("est", ("", "e")),
    ("ness", ("",)),
    ("ion", ("", "e")),
    ("ions", ("", "e")),
    ("able", ("", "e")),
)
"""Endings, each with the letters that may replace it in a base form."""
BEGINNINGS = ("un", "re", "non", "over", "pre", "mis", "sub", "inter", "under", "out", "up", "down", "self", "anti")
LEAST_STEM, DEPTH = 3, 3


def is_english(word: str) -> bool:
    """Returns True if a word in small letters is common English, or adds endings or beginnings to such a word."""
    return _is_known(word, DEPTH)


@cache
def common_words() -> frozenset[str]:
    """Returns the known base forms."""
    return frozenset((files("holdfast.judge") / "english_words.txt").read_text(encoding="utf-8").split())


def _is_known(word: str, depth: int) -> bool:
    if word in common_words():
        return True
    return depth > 0 and any(_is_known(base, depth - 1) for base in _bases(word))


def _bases(word: str) -> Iterator[str]:
    """Yields the words that a word may be built from."""
    for ending, others in ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= LEAST_STEM:
            yield from (stem + other for other in others)
            if stem[-1] == stem[-2]:
                yield stem[:-1]
    for beginning in BEGINNINGS:
        base = word.removeprefix(beginning)
        if base != word and len(base) > LEAST_STEM:
            yield base
