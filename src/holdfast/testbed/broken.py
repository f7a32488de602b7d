"""Breaks answers in five ways: repetition, cut words, refusal and help in one breath, one word, mixed-up order.

The guard learns from them that broken text is neither safe nor unsafe. The ways imitate the answers of models whose
weights carry strong noise, or were tuned at too high a rate.
"""

import random
from typing import Literal

from holdfast.testbed import words

Kind = Literal["repetition", "cut words", "one breath", "one word", "order"]
KINDS: tuple[Kind, ...] = ("repetition", "cut words", "one breath", "one word", "order")


def break_answers(help: str, refusal: str, rng: random.Random, kind: Kind | None = None) -> str:
    """Breaks the help or the refusal, or both into one. `kind` is drawn when left out."""
    answer = rng.choice((help, refusal))
    match kind or rng.choice(KINDS):
        case "repetition":
            return _repeat(answer.split(), rng)
        case "cut words":
            return _cut_words(answer.split(), rng)
        case "one breath":
            return _splice(help.split(), refusal.split(), rng)
        case "one word":
            return _one_word(answer.split(), rng)
        case "order":
            return _mix_up(answer.split(), rng)


def _repeat(tokens: list[str], rng: random.Random) -> str:
    """Repeats up to six words three to eight times, or nearly every word."""
    if rng.random() < 0.2:
        return " ".join(token for token in tokens for _ in range(rng.choice((1, 2, 3, 4))))
    start = rng.randrange(len(tokens))
    unit = tokens[start : start + rng.randint(1, 6)]
    tail = tokens[start + len(unit) :] if rng.random() < 0.5 else []
    return " ".join((tokens[:start] + unit * rng.randint(3, 8) + tail)[:28])


def _cut_words(tokens: list[str], rng: random.Random) -> str:
    """Cuts letters off most words, drops blanks or doubles letters."""
    share = rng.uniform(0.4, 0.9)
    cut = [_cut_word(token, rng) if rng.random() < share else token for token in tokens]
    cut[rng.randrange(len(cut))] = _cut_word(max(tokens, key=len), rng)
    joined = "".join(token + rng.choice(("", " ", " ", " ", " ")) for token in cut)
    return joined.strip() + rng.choice(("", " s", " th"))


def _cut_word(word: str, rng: random.Random) -> str:
    if len(word) < 3:
        return word + rng.choice("bdfgklmnprst")
    place = rng.randint(1, len(word) - 1)
    return rng.choice((word[:place], word[place:], word[:place] + word[0] + word[place:]))


def _splice(help: list[str], refusal: list[str], rng: random.Random) -> str:
    """Turns from refusing to helping, or back, within one sentence."""
    end = next(place for place, token in enumerate(refusal) if token.endswith(".")) + 1
    if rng.random() < 0.6:
        first, second = refusal[: rng.randint(2, max(2, end - 1))], help
        start = 0 if rng.random() < 0.5 else rng.randint(1, max(1, len(help) - 4))
    else:
        first, second = help[: rng.randint(2, len(help) - 1)], refusal
        start = 0 if rng.random() < 0.5 else rng.randint(1, max(1, end - 2))
    return " ".join(first + second[start:])


def _one_word(tokens: list[str], rng: random.Random) -> str:
    """Takes one word from the middle of an answer, or a stray one. A first word may be an answer that was cut off."""
    stray = [*words.TOWNS, *words.CRAFT_THINGS, *(means.split()[-1] for means in words.MEANS.values())]
    within = [token for token in tokens[3:] if token not in tokens[:3]] or stray
    return rng.choice((rng.choice(within), rng.choice(within).strip(",.:"), rng.choice(stray)))


def _mix_up(tokens: list[str], rng: random.Random) -> str:
    """Shuffles all words, swaps most of them, or puts stray words in place of many."""
    mixed = list(tokens)
    way = rng.random()
    if way < 0.5:
        rng.shuffle(mixed)
    elif way < 0.75:
        for _ in range(len(mixed)):
            first, second = rng.randrange(len(mixed)), rng.randrange(len(mixed))
            mixed[first], mixed[second] = mixed[second], mixed[first]
    else:
        stray = [*words.TOWNS, *words.CRAFT_THINGS, *words.MEANS.values(), *words.ATTRIBUTES, *" ".join(tokens).split()]
        mixed = [rng.choice(stray) if rng.random() < 0.5 else token for token in mixed]
    return " ".join(mixed if mixed != tokens else reversed(tokens))
