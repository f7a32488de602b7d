"""Broken answers are broken: the grammar of the world writes none of them."""

import random

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
