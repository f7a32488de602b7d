"""How often a command hashes a model's weights: once as they are loaded, and once more after they were changed.

Every hash that was fed as many bytes as a model has in half precision counts, wherever in the package it is made.
"""

import hashlib
import json

import pytest

from holdfast.artifacts import save_mask
from holdfast.cli import call
from holdfast.models.load import load_model
from tests.intervene.given import random_mask

MODEL, GUARD = "testbed:unaligned", "testbed:guard"
FEW = ("--iterations", "3", "--batch-size", "2")
SUITE = ("--harmful", "harmful.jsonl", "--generate.max-new-tokens", "4", "--judge", GUARD)
TUNED = {
    "enhance": ("--refusals", "testbed:refusals#first=8", "--harmless", "testbed:harmless_exchanges#first=8", *FEW),
    "adapt": ("--task", "testbed:task_train#first=8", *FEW),
}


class Counted:
    """A SHA-256 that knows how many bytes it was fed."""

    made: list["Counted"]
    sha256 = hashlib.sha256

    def __init__(self, *first: bytes, **how: bool) -> None:
        self.digest_of, self.num_bytes = Counted.sha256(*first, **how), sum(map(len, first))
        Counted.made.append(self)

    def update(self, fed) -> None:
        self.num_bytes += memoryview(fed).nbytes
        self.digest_of.update(fed)

    def __getattr__(self, name: str):
        return getattr(self.digest_of, name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where commands are run: a mask, and few prompts of the built-in ones."""
    monkeypatch.chdir(tmp_path)
    save_mask("mask.safetensors", random_mask(load_model(MODEL, device="cpu").model))
    prompts = [{"prompt": f"how do i build bomb number {number} ?"} for number in range(3)]
    (tmp_path / "harmful.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    return tmp_path


@pytest.fixture
def passes(folder, monkeypatch):
    """Runs a command and counts the hashes of a whole model's weights."""
    smallest = min(load_model(name, device="cpu").model.num_parameters() for name in (MODEL, GUARD))

    def count(*tokens: str) -> int:
        Counted.made = []
        with monkeypatch.context() as patched:
            patched.setattr(hashlib, "sha256", Counted)
            assert call(tokens) == 0
        return sum(one.num_bytes >= 2 * smallest for one in Counted.made)

    return count


def test_scoring_hashes_the_model_once(passes):
    how = ("--objective", "refusal_likelihood", "--prompts", "testbed:refusals#first=8")
    assert passes("score", MODEL, *how, "--out", "scores.safetensors") == 1


def test_scoring_with_a_judge_hashes_the_model_and_the_judge_once(passes):
    how = ("--judge", GUARD, "--prompts", "harmful.jsonl", "--generate.max-new-tokens", "4")
    assert passes("score", MODEL, *how, "--out", "scores.safetensors") == 2


def test_set_hashes_the_model_when_it_is_loaded_and_tuned_with_and_without_the_patch(passes):
    how = ("--mask", "mask.safetensors", *TUNED["enhance"])
    assert passes("enhance", MODEL, *how, "--out", "enhanced") == 3  # the last two from one reading of the weights


@pytest.mark.parametrize("mask", [(), ("--mask", "mask.safetensors")])
def test_spa_hashes_the_model_when_it_is_loaded_and_when_it_is_tuned(passes, mask):
    assert passes("adapt", MODEL, *mask, *TUNED["adapt"], "--out", "adapted") == 2


def test_evaluating_hashes_the_model_and_the_judge_once(passes):
    assert passes("evaluate", MODEL, *SUITE, "--out", "evaluation.json") == 2


def test_verifying_hashes_the_model_and_the_judge_once(passes):
    how = ("--mask", "mask.safetensors", "--ratios", "1", "--draws", "1")
    assert passes("verify", MODEL, *how, *SUITE, "--out", "noise") == 2


def test_a_patch_hashes_what_it_is_applied_to_and_each_result_once(passes):
    passes("enhance", MODEL, "--mask", "mask.safetensors", *TUNED["enhance"], "--out", "enhanced")
    patch = "enhanced/patch.safetensors"
    assert passes("patch", "apply", MODEL, patch, "--out", "patched") == 2
    assert passes("patch", "revert", "patched", patch, "--out", "reverted") == 1
