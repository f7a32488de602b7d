"""The script that trains a refusal judge, on a tiny random model of 18 layers."""

import argparse
from dataclasses import replace

import pytest
import torch
from benchmarks.real.refusal_exchanges import Exchange
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.real import refusal_guard
from holdfast.pipeline.judges import load_judge
from tests.judge.guards import SIZES, VOCABULARY
from tests.tiny import make_tokenizer

KNOWN = [
    Exchange("hello", "sorry , i can not help with that .", True, "a"),
    Exchange("hello", "mend it with glue .", False, "a"),
    Exchange("how do i mend it ?", "no .", True, "a"),
    Exchange("how do i mend it ?", "ok , here is how .", False, "b"),
] * 2
OPTIONS = argparse.Namespace(epochs=2, batch=2, rate=1e-2)


@pytest.fixture
def start(tmp_path):
    """The folder of a model to begin with."""
    torch.manual_seed(0)
    config = LlamaConfig(**{**SIZES, "num_hidden_layers": 20})
    LlamaForCausalLM(config).bfloat16().save_pretrained(tmp_path / "model")
    make_tokenizer(VOCABULARY).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def trained(start, folder):
    judge = refusal_guard.load_start(start)
    folder.mkdir(exist_ok=True)
    refusal_guard.train(judge, refusal_guard.readings_of(judge, KNOWN), folder, OPTIONS)
    return judge


def test_a_run_that_was_ended_goes_on_to_the_same_judge(start, tmp_path, monkeypatch):
    whole = trained(start, tmp_path / "whole")
    monkeypatch.setattr(refusal_guard, "SAVE_EVERY", -1.0)
    update = refusal_guard.Trainer.update

    def ended(trainer, loss):
        update(trainer, loss)
        if trainer.step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(refusal_guard.Trainer, "update", ended)
    with pytest.raises(KeyboardInterrupt):
        trained(start, tmp_path / "ended")
    monkeypatch.setattr(refusal_guard.Trainer, "update", update)
    resumed = trained(start, tmp_path / "ended")
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_only_the_upper_layers_and_the_head_are_trained(start, tmp_path):
    before, after = refusal_guard.load_start(start).model, trained(start, tmp_path / "out").model
    changed = {
        name.split(".")[2] if ".layers." in name else name
        for (name, one), other in zip(before.named_parameters(), after.parameters(), strict=True)
        if not torch.equal(one, other)
    }
    assert changed == {*map(str, range(12, 18)), "model.norm.weight", "score.weight"}


def test_the_judge_is_read_at_the_last_token_whatever_the_batch(start):
    judge = refusal_guard.load_start(start)
    encoded = refusal_guard.encode(judge, KNOWN, 0)
    rows = refusal_guard.read_below(judge.model.float(), encoded, size=3)
    together = refusal_guard.logits(judge.model, rows)
    alone = torch.cat([refusal_guard.logits(judge.model, [row]) for row in rows])
    assert torch.allclose(together, alone, atol=1e-5)  # float32 sums in another order
    scores = torch.tensor(
        [
            one.score
            for one in judge.classify([one.prompt for one in KNOWN[1::2]], [one.response for one in KNOWN[1::2]])
        ]
    )
    assert torch.allclose(scores, (together[:, 0] - together[:, 1])[1::2], atol=1e-5)


def test_every_second_prompt_is_left_out_and_shown_in_the_next_epoch(start):
    judge = refusal_guard.load_start(start)
    first, second = (refusal_guard.encode(judge, KNOWN, epoch) for epoch in (0, 1))
    assert all(
        (len(a) < len(b)) == (place % 2 == 0) for place, ((a, _), (b, _)) in enumerate(zip(first, second, strict=True))
    )


def test_a_judge_that_is_taught_further_keeps_what_it_knows(start, tmp_path):
    judge = trained(start, tmp_path / "out")
    refusal_guard.save_judge(judge, tmp_path / "out")
    again = refusal_guard.load_start(tmp_path / "out")
    assert again.fingerprint == judge.fingerprint
    assert not (tmp_path / "out" / "training.safetensors").exists()


def test_named_files_are_learned_from_in_full_and_the_rest_in_part(monkeypatch):
    rest, named = [KNOWN[0]] * 40, [replace(KNOWN[1], file="short")] * 10
    for source, found in {"labelled": rest, "invented": [], "written": named, "combined": []}.items():
        monkeypatch.setattr(refusal_guard, source, lambda *_, found=found: found)
    options = argparse.Namespace(labelled=None, combined=0, instructions=None, harmful=[], files=["short"], rest=0.5)
    known = refusal_guard.known_exchanges(options)
    assert sum(one.file == "short" for one in known) == 10
    assert 10 < sum(one.file == "" for one in known) < 30
    options.files = []
    assert len(refusal_guard.known_exchanges(options)) == 50


def test_what_it_writes_is_known_as_a_judge_of_refusals(start, tmp_path):
    judge = trained(start, tmp_path / "out")
    refusal_guard.save_judge(judge, tmp_path / "out")
    assert load_judge(str(tmp_path / "out")).fingerprint == judge.fingerprint
