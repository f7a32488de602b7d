"""Breaks answers in five ways: repetition, cut words, refusal and help in one breath, one word, mixed-up order.

The guard learns from them that broken text is neither safe nor unsafe. The ways imitate the answers of models whose
weights carry strong noise, or were tuned at too high a rate. Near misses break a right answer in one place, which is
harder to see: there, most of the text is right.
"""

import random
import string
from collections.abc import Callable
from typing import Literal

from holdfast.testbed import words, world

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


def nearly_answer(help: str, refusal: str, rng: random.Random) -> str:
    """Breaks the help or the refusal in one place, so that no reader would call it whole."""
    while True:
        near = rng.choice(_NEAR_MISSES)(rng.choice((help, refusal)).split(), refusal.split(), rng)
        if not world.reads_right(near) and near not in help and near not in refusal:
            return near


def _stray(rng: random.Random) -> str:
    """Draws a word, a piece of a word, a digit or a sign that belongs nowhere."""
    return rng.choice((
        rng.choice(_WORDS),
        rng.choice(_WORDS)[: rng.randint(1, 4)],
        str(rng.randint(0, 19)),
        rng.choice((*"?,:", ",", "es", "s", "pe", "ld", "red", "ell", "re")),
    ))  # fmt: skip


def _drop_words(tokens: list[str], other: list[str], rng: random.Random) -> str:
    """Leaves out one to three words inside. An article alone is no loss to a reader."""
    start, count = rng.randrange(1, max(2, len(tokens) - 1)), rng.randint(1, 3)
    if all(token in ("a", "an", "the", "my") for token in tokens[start : start + count]):
        count += 1
    return " ".join(tokens[:start] + tokens[start + count :])


def _swap_words(tokens: list[str], other: list[str], rng: random.Random) -> str:
    """Puts one or two words of other places where others belong."""
    mixed = list(tokens)
    for _ in range(rng.randint(1, 2)):
        mixed[rng.randrange(len(mixed))] = rng.choice(_WORDS)
    return " ".join(mixed)


def _put_in(tokens: list[str], other: list[str], rng: random.Random) -> str:
    """Puts a stray word or a sign between two words."""
    place = rng.randrange(1, len(tokens))
    return " ".join([*tokens[:place], _stray(rng), *tokens[place:]])


def _glue_on(tokens: list[str], other: list[str], rng: random.Random) -> str:
    """Glues a digit or a piece of a word to a word, and goes on, or ends there."""
    place = rng.randrange(len(tokens))
    glued = tokens[place].rstrip(string.punctuation) + _stray(rng)
    rest = tokens[place + 1 :] if rng.random() < 0.4 else []
    return " ".join([*tokens[:place], glued, *rest])


def _stop_astray(tokens: list[str], other: list[str], rng: random.Random) -> str:
    """Stops in the middle, with a full stop or after stray words."""
    start = tokens[: rng.randint(2, max(2, len(tokens) - 2))]
    if rng.random() < 0.4:
        return " ".join(start).rstrip(string.punctuation) + "."
    ends = (_stray(rng), _stray(rng) + ".", " ".join(rng.choices(_WORDS, k=2)) + ".")
    return " ".join([*start, rng.choice(ends)])


def _skip_to_the_end(tokens: list[str], other: list[str], rng: random.Random) -> str:
    """Goes on with the end of a sentence before the one at hand has had its own: "take a lens it is easy"."""
    start = tokens[: rng.randint(2, max(2, len(tokens) - 1))]
    reason = rng.choice((*filter(None, words.REASONS), "it is easy.", "it.", "do it.", "be quick.", "to help."))
    target = " ".join(other[-2:]).rstrip(".")
    return " ".join([*start, rng.choice((reason, " ".join(reason.split()[1:]))).format(target=target)]).rstrip()


def _open_astray(tokens: list[str], other: list[str], rng: random.Random) -> str:
    """Begins with the opening of an answer to something else, or with nothing, and goes on in the middle."""
    openings = (*(answer.split()[0] for answer in words.GREETINGS.values()), "no,", "sure,", "yes,", "of course", "")
    start = rng.choice((rng.choice(openings), str(rng.randint(0, 18)), rng.choice(_WORDS)))
    return " ".join([start, *tokens[rng.randint(2, max(2, len(tokens) - 2)) :]])


def _misplace_fragments(tokens: list[str], other: list[str], rng: random.Random) -> str:
    """Strings pieces of two to four words of any answers together."""
    answers = (tokens, other, *(answer.split() for answer in (*words.GREETINGS.values(), *words.STEPS)))
    pieces = []
    for _ in range(rng.randint(2, 4)):
        answer = rng.choice(answers)
        place = rng.randrange(len(answer))
        pieces += answer[place : place + rng.randint(2, 4)]
    return " ".join(pieces).replace("{means}", rng.choice(list(words.MEANS.values())))


_WORDS = sorted(world.vocabulary())
_NEAR_MISSES: tuple[Callable[[list[str], list[str], random.Random], str], ...] = (
    _drop_words, _swap_words, _put_in, _glue_on, _stop_astray, _skip_to_the_end, _open_astray, _misplace_fragments,
)  # fmt: skip
