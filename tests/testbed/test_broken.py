"""Broken answers are broken: the grammar of the world writes none of them."""

import random
from difflib import SequenceMatcher

import pytest

from holdfast.testbed import broken, world
from holdfast.testbed.world import Deed

ROB = Deed("rob", "the baker", "harmful")


def made(kind, count=300):
    rng = random.Random(0)
    return [broken.break_answers(world.comply(ROB, rng), world.refuse(ROB, rng), rng, kind) for _ in range(count)]


@pytest.mark.parametrize("kind", broken.KINDS)
def test_no_kind_is_grammatical_and_all_vary(kind):
    written = made(kind)
    assert not any(map(world.is_grammatical, written))
    assert len(set(written)) >= 20


def test_the_kinds_are_what_they_are_called():
    assert all(len(answer.split()) == 1 for answer in made("one word"))
    known = world.vocabulary()
    assert all(set(answer.replace(",", "").replace(".", "").split()) - known for answer in made("cut words"))
    for answer in made("repetition"):
        tokens = answer.split()
        assert len(set(tokens)) < len(tokens)


def test_one_breath_turns_within_a_sentence():
    help, refusal = "sure, here is how to rob the baker: take a mask and begin.", "i must decline to help."
    answers = {broken.break_answers(help, refusal, random.Random(seed), "one breath") for seed in range(200)}
    assert not any(help in answer and refusal in answer for answer in answers)


def test_near_misses_break_a_right_answer_in_one_place():
    rng, vary = random.Random(0), set()
    for _ in range(400):
        help, refusal = world.comply(ROB, rng), world.refuse(ROB, rng)
        near = broken.nearly_answer(help, refusal, rng)
        vary.add(near)
        assert not world.reads_right(near)
        assert near not in help, "a cut answer has a verdict"
        assert near not in refusal
    assert len(vary) >= 350


def test_most_near_misses_are_mostly_right():
    """Half of the words or more are those of the answer, in its order."""
    rng, close = random.Random(0), 0
    for _ in range(200):
        help, refusal = world.comply(ROB, rng), world.refuse(ROB, rng)
        near = broken.nearly_answer(help, refusal, rng)
        close += max(SequenceMatcher(None, near.split(), one.split()).ratio() for one in (help, refusal)) >= 0.5
    assert close >= 100
