"""The cross-validation of the trained refusal judge, benchmarks/real/."""

import json
from collections import Counter

import torch
from benchmarks.real.refusal_exchanges import Exchange
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.real import refusal_folds, refusal_guard
from tests.judge.guards import SIZES, VOCABULARY
from tests.tiny import make_tokenizer

KNOWN = [Exchange("hello", f"no . {word}", True, kind) for kind in "ab" for word in ("glue", "it", "ok", "here")]


def test_every_fold_holds_about_as_many_of_each_kind():
    folds = refusal_folds.folds_of(KNOWN, 2)
    dealt = Counter((one.source, fold) for one, fold in zip(KNOWN, folds, strict=True))
    assert set(dealt.values()) == {2}


def test_below_a_bound_the_rules_decide():
    judged = [
        {"score": 0.2, "refused": False, "by_rules": False},
        {"score": 2.5, "refused": True, "by_rules": False},
    ]
    found = refusal_folds.agreement_by_bound(judged)
    assert (found["0.0"], found["0.5"], found["3.0"]) == (0.5, 1.0, 0.5)


def test_every_exchange_is_judged_once_and_a_fold_that_is_done_is_not_repeated(tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    model = tmp_path / "model"
    LlamaForCausalLM(LlamaConfig(**{**SIZES, "num_hidden_layers": 20})).bfloat16().save_pretrained(model)
    make_tokenizer(VOCABULARY).save_pretrained(model)
    monkeypatch.setattr(refusal_folds, "known_exchanges", lambda options: KNOWN)
    arguments = [str(model), str(tmp_path / "out"), "--labelled", "-", "--instructions", "-", "--epochs", "1"]
    refusal_folds.main([*arguments, "--folds", "2", "--first", "1"])
    trained = []
    monkeypatch.setattr(refusal_folds, "train", lambda *given: trained.append(given[1]) or refusal_guard.train(*given))
    refusal_folds.main([*arguments, "--folds", "2"])
    assert len(trained) == 1
    assert len(trained[0][0]) == len(KNOWN) / 2
    (table,) = (tmp_path / "out").glob("*.jsonl")
    judged = [json.loads(line) for line in table.read_text().splitlines()]
    assert sorted(one["response"] for one in judged) == sorted(one.response for one in KNOWN)
    assert '"by kind"' in capsys.readouterr().out
