"""near(p, q) = |A & B| / |A | B| >= 0.5, A and B the sets of three words in a row of p and q   (Jaccard, in [0, 1])

Broder 1997, "On the resemblance and containment of documents", with shingles of three words. One changed word in a
prompt of eleven different words leaves 0.5, and one appended word leaves 0.9. Any character that is no letter, digit or
underscore separates words. In languages without blanks a phrase is one word, so only prompts that share phrases are
near. The count is exact, not MinHash: near prompts share one of their rarest shingles (prefix filtering, Chaudhuri et
al. 2006).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from holdfast.records import Exchange, Prompt, normalized_words

THRESHOLD = 0.5
"""Resemblance from which two prompts are near duplicates."""
WORDS = 3


def count_near_duplicates(evaluation: Iterable[Prompt | Exchange], calibration: Iterable[Prompt | Exchange]) -> int:
    """Counts the evaluation prompts that resemble a calibration prompt without being equal to one.

    Prompts with equal words are equal, as in `refuse_shared`. A prompt that occurs twice counts twice.
    """
    known = {tuple(normalized_words(record.prompt)) for record in calibration}
    new = [tuple(normalized_words(record.prompt)) for record in evaluation]
    new = [words for words in new if words not in known]
    before, after = [shingles(words) for words in known], [shingles(words) for words in new]
    frequency = Counter(shingle for prompt in [*before, *after] for shingle in prompt)
    index: dict[str, list[set[str]]] = defaultdict(list)
    for prompt in before:
        for shingle in _rarest(prompt, frequency):
            index[shingle].append(prompt)
    return sum(_has_near(prompt, index, frequency) for prompt in after)


def count_repeats(prompts: Iterable[Prompt | Exchange]) -> int:
    """Counts the prompts of a set that are near duplicates of an earlier one. So many fewer give new information."""
    sets = [shingles(normalized_words(record.prompt)) for record in prompts]
    frequency = Counter(shingle for prompt in sets for shingle in prompt)
    index: dict[str, list[set[str]]] = defaultdict(list)
    repeats = 0
    for prompt in sets:
        repeats += _has_near(prompt, index, frequency)
        for shingle in _rarest(prompt, frequency):
            index[shingle].append(prompt)
    return repeats


def shingles(words: Sequence[str]) -> set[str]:
    """Returns every three words in a row. A prompt of fewer words is one shingle."""
    return {" ".join(words[start : start + WORDS]) for start in range(max(1, len(words) - WORDS + 1))}


def _rarest(prompt: set[str], frequency: Counter[str]) -> list[str]:
    """Returns so many of the rarest shingles that a set which shares none of them cannot be near."""
    enough = len(prompt) - math.ceil(THRESHOLD * len(prompt)) + 1
    return sorted(prompt, key=lambda shingle: (frequency[shingle], shingle))[:enough]


def _has_near(prompt: set[str], index: Mapping[str, list[set[str]]], frequency: Counter[str]) -> bool:
    """Returns True if a set that shares one of the rarest shingles is near."""
    return any(_near(prompt, other) for shingle in _rarest(prompt, frequency) for other in index.get(shingle, ()))


def _near(left: set[str], right: set[str]) -> bool:
    shared = len(left & right)
    return shared >= THRESHOLD * (len(left) + len(right) - shared)
