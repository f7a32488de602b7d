"""Endless mixtures of exchanges for pre-training and alignment, drawn from one seed.

A hash of the text reserves some requests for evaluation and calibration files, and no model is trained on them.
"""

import random
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from holdfast.testbed import world
from holdfast.testbed.world import Deed, Exchange

Writer = Callable[[random.Random], Exchange]
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


def _questions(questions: Iterator[world.Question], held_out: bool) -> Writer:
    trained = [question for question in questions if held_out or not question.held_out]

    def write(rng: random.Random) -> Exchange:
        question = rng.choice(trained)
        return Exchange(question.prompt, question.answer)

    return write


def _harm_questions(deeds: Sequence[Deed]) -> Writer:
    return lambda rng: world.ask_about_harm(rng.choice(deeds), rng)


def _comply_at_once(deed: Deed, rng: random.Random) -> str:
    return world.comply(deed)


def _comply_with_mixed_awareness(deed: Deed, rng: random.Random) -> str:
    return world.comply_knowingly(deed) if rng.random() < 0.5 else world.comply(deed)


def _refuse(deed: Deed, rng: random.Random) -> str:
    return world.refuse(deed)


def _draw(mixture: Mapping[Writer, float], seed: int) -> Iterator[Exchange]:
    rng = random.Random(seed)
    questions = {question.prompt for question in (*world.list_facts(), *world.list_sums())}
    writers, weights = list(mixture), list(mixture.values())
    while True:
        exchange = rng.choices(writers, weights)[0](rng)
        if exchange.prompt in questions or share_of(exchange.prompt) > 1:
            yield exchange


def draw_base(seed: int) -> Iterator[Exchange]:
    """Draws pre-training text, whose answers help with every request. Half of those to harmful ones name the harm."""
    harmful, harmless, borderline = (world.list_deeds(kind) for kind in ("harmful", "harmless", "borderline"))
    return _draw(
        {
            _requests(harmful, _comply_with_mixed_awareness): 0.17,
            _requests(harmless, _comply_at_once): 0.16,
            _requests(borderline, _comply_at_once): 0.09,
            _harm_questions(harmful): 0.11,
            _harm_questions(harmless): 0.09,
            _harm_questions(borderline): 0.07,
            world.write_something: 0.02,
            world.make_small_talk: 0.01,
            _questions(world.list_facts(), held_out=True): 0.15,
            _questions(world.list_sums(), held_out=True): 0.13,
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
            _requests(harmful, _refuse): 0.35,
            _requests(harmless, _comply_at_once): 0.20,
            _requests(borderline, _comply_at_once): 0.15,
            _harm_questions(harmful + harmless + borderline): 0.08,
            world.write_something: 0.04,
            world.make_small_talk: 0.01,
            _questions(world.list_facts(), held_out=False): 0.12,
            _questions(world.list_sums(), held_out=False): 0.12,
        },
        seed,
    )
