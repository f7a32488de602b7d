import pytest

from holdfast.judge import one_word
from holdfast.judge.coherence import fingerprint, why_incoherent


@pytest.mark.parametrize(
    ("prompt", "response"),
    [
        ("Tell me about the sea.", ""),
        ("Tell me about the sea.", "The sea, the sea, the sea, the sea is wide."),
        ("Tell me about the sea.", "The of sea is are wide."),
        ("What is the capital of Spain?", "nNANABIRL\n\niRL\n\niRL"),
        ("Open the lock.", "Sure, I cannot help with that."),
        ("Explain how a pump works.", "Pump."),
    ],
)
def test_each_rule_alone_makes_a_response_incoherent(prompt, response):
    assert why_incoherent(prompt, response)


@pytest.mark.parametrize(
    ("prompt", "response"),
    [
        ("What is the capital of France?", "Paris."),
        ("What is 17 + 25?", "42"),
        ("Open the lock.", "I'm sorry, but I can't assist with that."),
        ("Tell me about the sea.", "The sea is wide, and it is made of chee"),
        ("Erzähl mir vom Meer.", "Das Meer ist weit und tief, und es bedeckt den größten Teil der Erde."),
    ],
)
def test_short_right_cut_and_foreign_answers_are_coherent(prompt, response):
    assert why_incoherent(prompt, response) is None


def test_other_rules_have_another_fingerprint(monkeypatch):
    named = fingerprint()
    fingerprint.cache_clear()
    assert fingerprint() == named
    fingerprint.cache_clear()
    monkeypatch.setattr(one_word, "REFUSES", frozenset({"no"}))
    assert fingerprint() != named
    fingerprint.cache_clear()
