"""near(p, q) = |A & B| / |A | B| >= 0.5, A and B the sets of three words in a row of p and q   (Jaccard, in [0, 1])

Broder 1997, "On the resemblance and containment of documents", with shingles of three words. One word changed in a
prompt of eleven different words leaves 0.5; one appended leaves 0.9. Words are told apart by what is not a letter,
digit or underscore: in languages without blanks a phrase is one word, and only prompts of like phrases are near. The
count is exact, not MinHash: prompts so near share one of their rarest threes (prefix filtering, Chaudhuri et al. 2006).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from holdfast.records import Exchange, Prompt, normalized_words

THRESHOLD = 0.5
"""Resemblance from which on two prompts are near duplicates."""
WORDS = 3


def count_near_duplicates(evaluation: Iterable[Prompt | Exchange], calibration: Iterable[Prompt | Exchange]) -> int:
    """How many evaluation prompts resemble a calibration prompt without being equal to one.

    Prompts are equal where their words are, as everywhere (`refuse_shared`); a prompt that stands twice counts twice.
    """
    known = {tuple(normalized_words(record.prompt)) for record in calibration}
    asked = [tuple(normalized_words(record.prompt)) for record in evaluation]
    asked = [words for words in asked if words not in known]
    before, after = [shingles(words) for words in known], [shingles(words) for words in asked]
    frequency = Counter(one for made in [*before, *after] for one in made)
    index: dict[str, list[set[str]]] = defaultdict(list)
    for made in before:
        for one in _rarest(made, frequency):
            index[one].append(made)
    return sum(_has_near(made, index, frequency) for made in after)


def count_repeats(prompts: Iterable[Prompt | Exchange]) -> int:
    """How many prompts of one set are near duplicates of an earlier one in it: that many fewer tell something new."""
    sets = [shingles(normalized_words(record.prompt)) for record in prompts]
    frequency = Counter(one for made in sets for one in made)
    index: dict[str, list[set[str]]] = defaultdict(list)
    repeats = 0
    for made in sets:
        repeats += _has_near(made, index, frequency)
        for one in _rarest(made, frequency):
            index[one].append(made)
    return repeats


def shingles(words: Sequence[str]) -> set[str]:
    """Every three words in a row; a prompt of fewer words is one of its own."""
    return {" ".join(words[start : start + WORDS]) for start in range(max(1, len(words) - WORDS + 1))}


def _rarest(made: set[str], frequency: Counter[str]) -> list[str]:
    """As many of the rarest that a set which shares none of them is not near."""
    enough = len(made) - math.ceil(THRESHOLD * len(made)) + 1
    return sorted(made, key=lambda one: (frequency[one], one))[:enough]


def _has_near(made: set[str], index: Mapping[str, list[set[str]]], frequency: Counter[str]) -> bool:
    """Whether a set with one of the rarest in common is near."""
    return any(_near(made, other) for one in _rarest(made, frequency) for other in index.get(one, ()))


def _near(first: set[str], second: set[str]) -> bool:
    shared = len(first & second)
    return shared >= THRESHOLD * (len(first) + len(second) - shared)
