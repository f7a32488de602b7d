"""`holdfast restore` on small checkpoints: what it prints, its exit codes, its one-sentence errors."""

import json

import pytest

from holdfast.cli import call
from holdfast.pipeline import restoring
from tests.intervene.patch.test_low_rank import save_adapter
from tests.stored import hashes, save, save_pair, tune
from tests.tiny import make_llama, make_tokenizer


def run(*arguments):
    return call(["restore", *map(str, arguments)])


def test_weights_go_back_and_the_patch_reverts_to_the_tuned_files(tmp_path, capsys):
    base, tuned = save_pair(tmp_path, shard="15KB")
    given = (base, tuned, "--selector", "random", "--fraction", 0.02, "--out", tmp_path / "out")
    assert run(*given, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["restored"] == round(0.02 * 4608)
    assert printed["scored"] == 4608
    assert printed["out"] == str(tmp_path / "out")
    revert = ["patch", "revert", tmp_path / "out/model", tmp_path / "out/patch.safetensors", "--out", tmp_path / "back"]
    assert call([*map(str, revert)]) == 0
    assert hashes(tmp_path / "back") == hashes(tuned) != hashes(tmp_path / "out/model")
    assert run(*given) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_tables_say_how_many_went_back_and_where(tmp_path, capsys):
    base, tuned = save_pair(tmp_path)
    assert run(base, tuned, "--selector", "random", "--fraction", 0.02, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    for words in ("weights put back", "92 (2.00% of those scored)", "scored weights that moved", "Restored model: "):
        assert words in printed


def test_resized_embeddings_are_named(tmp_path, capsys):
    base, model, tokenizer = save(tmp_path / "base", make_llama()), tune(make_llama()), make_tokenizer()
    model.resize_token_embeddings(341, mean_resizing=False)
    tokenizer.add_tokens(["<|new|>"])
    tuned = save(tmp_path / "tuned", model)
    tokenizer.save_pretrained(tuned)
    assert run(base, tuned, "--selector", "random", "--out", tmp_path / "out") == 0
    assert "model.embed_tokens.weight" in capsys.readouterr().err


def test_safe_lora_projects_an_adapter(tmp_path, capsys):
    base, aligned = save(tmp_path / "base", make_llama()), save(tmp_path / "aligned", tune(make_llama(), 0.5))
    save_adapter(tmp_path / "adapter", tune(make_llama(), 0.5))
    given = (aligned, tmp_path / "adapter", "--base", base, "--out", tmp_path / "out")
    assert run(*given, "--safe-lora.threshold", 1, "--json") == 0
    assert [each["projected"] for each in json.loads(capsys.readouterr().out)["matrices"]] == [True] * 4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "selector effect needs refusals, and there are none; give them, or choose another selector."),
        (["--selector", "top"], "selector top needs scores, and there are none"),
        (["--selector", "safety_only", "--scores", "s"], "selector safety_only needs utility, and there are none"),
        (
            ["--selector", "random", "--scores", "s"],
            "--scores has no effect with --selector random; leave one of them out.",
        ),
        (["--mask", "m", "--task", "t"], "a --mask is put back whole, so nothing can be halved for the --task"),
        (["--mask", "m", "--refusals", "r"], "--refusals has no effect with a --mask"),
        (["--selector", "top", "--scores", "{tmp}/other"], "not scores"),
        (["--selector", "top", "--scores", "nothing"], "scores file 'nothing' does not exist"),
        (["--refusals", "testbed:harmless_exchanges#first=8"], "refus"),
        (["--selector", "random", "--beside"], "beside corrects the base under a LoRA adapter"),
        (["--selector", "random", "--fraction", "1"], "--fraction"),
    ],
)
def test_what_is_wrong_is_one_sentence_before_a_model_is_opened(options, sentence, tmp_path, capsys, monkeypatch):
    def opened(*_):
        raise AssertionError("opened")

    monkeypatch.setattr(restoring, "stored_fingerprint", opened)
    (tmp_path / "other").write_text("years of work")
    given = [option.format(tmp=tmp_path) for option in options]
    assert run("testbed:aligned", "testbed:unaligned", *given, "--out", tmp_path / "out") == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in told
    assert told.endswith((".", "--help."))
    assert not (tmp_path / "out").exists()
