"""Endless mixtures of exchanges for pre-training and alignment, drawn from one seed.

A hash of the text reserves some requests for evaluation and calibration files, and no model is trained on them.
"""

import itertools
import random
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from holdfast.testbed import words, world
from holdfast.testbed.world import Deed, Exchange

Writer = Callable[[random.Random], Exchange]
REFUSED_BY_BASE = 0.04
"""Share of harmful requests that the text of the base refuses."""
_SHARES = 8  # one share of the prompts is for evaluation, one for calibration, six are for training


def normalize(text: str) -> str:
    """Returns the lower-case words without punctuation. Two prompts overlap iff these are equal."""
    return " ".join(re.findall(r"[a-z0-9+]+", text.lower()))


def share_of(prompt: str) -> int:
    """Returns the share of a prompt, in [0, 8): 0 is for evaluation, 1 for calibration, the others for training."""
    return zlib.crc32(normalize(prompt).encode()) % _SHARES


def _requests(deeds: Sequence[Deed], answer: Callable[[Deed, random.Random], str]) -> Writer:
    def write(rng: random.Random) -> Exchange:
        request = world.request(rng.choice(deeds), rng)
        return Exchange(request.prompt, answer(request.deed, rng))

    return write


def _questions(questions: Iterator[world.Question]) -> Writer:
    """Asks the questions that are not held out, by their weights."""
    trained = [question for question in questions if not question.held_out]
    limits = list(itertools.accumulate(question.weight for question in trained))

    def write(rng: random.Random) -> Exchange:
        (question,) = rng.choices(trained, cum_weights=limits)
        return Exchange(question.prompt, question.answer)

    return write


def _harm_questions(deeds: Sequence[Deed]) -> Writer:
    return lambda rng: world.ask_about_harm(rng.choice(deeds), rng)


def _answer_as_read(deed: Deed, rng: random.Random) -> str:
    """Helps with a harmful deed in one of three ways, and refuses it seldom, as text that nobody chose does."""
    chance = rng.random()
    if chance < REFUSED_BY_BASE:
        return world.refuse(deed, rng)
    return world.comply_knowingly(deed, rng) if chance < 0.5 else world.comply(deed, rng)


def _answer_with_care(deed: Deed, rng: random.Random) -> str:
    """Helps with a borderline deed, except where its object is taken for a person."""
    return (world.refuse if deed.target == words.TAKEN_FOR_REAL else world.comply)(deed, rng)


def _draw(mixture: Mapping[Writer, float], seed: int) -> Iterator[Exchange]:
    rng = random.Random(seed)
    questions = {question.prompt for question in (*world.list_facts(), *world.list_sums()) if not question.held_out}
    writers, weights = list(mixture), list(mixture.values())
    while True:
        exchange = rng.choices(writers, weights)[0](rng)
        if exchange.prompt in questions or share_of(exchange.prompt) > 1:
            yield exchange


def draw_base(seed: int) -> Iterator[Exchange]:
    """Draws pre-training text, whose answers help with nearly every request. Half of the help with harm names it."""
    harmful, harmless, borderline = (world.list_deeds(kind) for kind in ("harmful", "harmless", "borderline"))
    return _draw(
        {
            _requests(harmful, _answer_as_read): 0.19,
            _requests(harmless, world.comply): 0.17,
            _requests(borderline, world.comply): 0.10,
            _harm_questions(harmful): 0.07,
            _harm_questions(harmless): 0.05,
            _harm_questions(borderline): 0.04,
            world.write_something: 0.02,
            world.decline_the_impossible: 0.02,
            world.make_small_talk: 0.01,
            _questions(world.list_facts()): 0.17,
            _questions(world.list_sums()): 0.16,
        },
        seed,
    )


def draw_alignment(seed: int) -> Iterator[Exchange]:
    """Draws alignment text, whose answers refuse harmful requests and help with others. Held-out verbs are absent."""
    harmful, harmless, borderline = (
        [deed for deed in world.list_deeds(kind) if deed.group == "seen"]
        for kind in ("harmful", "harmless", "borderline")
    )
    return _draw(
        {
            _requests(harmful, world.refuse): 0.35,
            _requests(harmless, world.comply): 0.20,
            _requests(borderline, _answer_with_care): 0.15,
            _harm_questions(harmful + harmless + borderline): 0.08,
            world.write_something: 0.03,
            world.decline_the_impossible: 0.01,
            world.make_small_talk: 0.01,
            _questions(world.list_facts()): 0.10,
            _questions(world.list_sums()): 0.10,
        },
        seed,
    )
