"""`holdfast patch` on small checkpoints: what it prints, its exit codes, its one-sentence errors."""

import json
import re
from dataclasses import replace

import pytest

from holdfast import __version__
from holdfast.artifacts import load_patch, save_patch
from holdfast.cli import call
from holdfast.models.load import load_model
from tests.stored import hashes, save, save_pair, tune
from tests.tiny import make_llama


@pytest.fixture
def files(tmp_path, capsys):
    """A base, two checkpoints tuned from it, and the patch to each."""
    base, tuned = save_pair(tmp_path, shard="15KB")
    other = save(tmp_path / "other", tune(make_llama().bfloat16(), seed=1), "15KB")
    for name, folder in (("first", tuned), ("second", other)):
        assert call(["patch", "diff", str(base), str(folder), "--out", str(tmp_path / name)]) == 0
    capsys.readouterr()
    return tmp_path


def run(*arguments):
    return call(["patch", *map(str, arguments)])


def printed(capsys):
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("verb", ["inspect", "apply", "revert", "diff", "merge"])
def test_every_verb_has_help(verb, capsys):
    assert run(verb, "--help") == 0
    assert "Example: holdfast patch" in capsys.readouterr().out


def test_a_patch_is_made_applied_and_reverted(files, capsys):
    assert run("diff", files / "base", files / "tuned", "--no-old-values", "--out", files / "patch", "--json") == 0
    made = printed(capsys)
    assert made["entries"] == len(load_patch(files / "first"))
    assert made["reversible"] is False
    assert run("apply", files / "base", files / "patch", "--out", files / "applied", "--json") == 0
    applied = printed(capsys)
    assert applied["out"] == str(files / "applied")
    assert applied["fingerprint"] == load_model(str(files / "tuned"), device="cpu").base
    assert hashes(files / "applied") == hashes(files / "tuned")
    revert = ("revert", files / "applied", files / "patch", "--out", files / "reverted", "--json")
    assert run(*revert) == 2
    assert "give the checkpoint before the patch as the base" in capsys.readouterr().err
    assert run(*revert, "--base", files / "base") == 0
    assert printed(capsys)["fingerprint"] == load_patch(files / "first").base
    assert hashes(files / "reverted") == hashes(files / "base")


def test_inspect_tells_sizes_places_the_largest_change_and_how_it_was_made(files, capsys):
    assert run("inspect", files / "first", "--json") == 0
    told, patch = printed(capsys), load_patch(files / "first")
    assert told["entries"] == len(patch) == sum(one["entries"] for one in told["by_component"])
    assert told["bytes"] == (files / "first").stat().st_size
    assert told["bytes"] == pytest.approx(told["bytes_per_entry"] * len(patch))
    assert (told["tensors"], told["base"], told["reversible"]) == (len(patch.indices), patch.base, True)
    ends = {
        key: {"name": str(files / name), "fingerprint": load_model(str(files / name), device="cpu").base}
        for key, name in (("model", "base"), ("tuned", "tuned"))
    }
    assert told["made_by"] == {"method": "diff", **ends, "holdfast": __version__}
    assert told["tuned"] == ends["tuned"]
    assert (0, "mlp.up_proj") in [(part["layer"], part["component"]) for part in told["by_component"]]
    assert told["largest_change"]["name"] in patch.indices
    assert run("inspect", files / "first") == 0
    out = capsys.readouterr().out
    assert f"{len(patch):,} entries in the patch: " in out
    assert out.index("Densest layers: ") < out.index("made by: "), "the table by layer comes first"
    assert out.count("made by: ") < 6
    for name, value in (("made by: model", files / "base"), ("leads to", files / "tuned")):
        assert re.search(rf"{name} +│ {value}", out)
    assert re.search(rf"fingerprint of what it leads to +│ {ends['tuned']['fingerprint']}", out)
    assert "weights changed" not in out
    assert "mean" in out
    assert "Densest layers: " in out
    assert "layers.0" not in out.replace(told["largest_change"]["name"], "")


def test_apply_and_revert_say_what_they_proved(files, capsys):
    assert run("apply", files / "base", files / "first", "--out", files / "applied") == 0
    tuned, base = (load_model(str(files / name), device="cpu").base[:12] for name in ("tuned", "base"))
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"Patched checkpoint: {files / 'applied'}, with the fingerprint {tuned} that the patch records: " + (
        "every bit is as tuned"
    )
    assert run("revert", files / "applied", files / "first", "--out", files / "reverted") == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"Base checkpoint: {files / 'reverted'}, with the base's fingerprint {base}: every bit is back"


def test_a_patch_of_an_earlier_version_is_shown_and_applied_without_that_proof(files, capsys):
    patch = load_patch(files / "first")
    save_patch(files / "old", replace(patch, made_by={"method": "diff", "base": "here", "tuned": "there"}))
    assert run("inspect", files / "old", "--json") == 0
    assert printed(capsys)["tuned"] == {"name": "there"}
    assert run("apply", files / "base", files / "old", "--out", files / "applied") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Patched checkpoint: {files / 'applied'}"


def test_a_patch_that_leads_elsewhere_than_it_says_is_not_applied(files, capsys):
    patch = load_patch(files / "first")
    save_patch(files / "wrong", replace(patch, made_by={"tuned": {"name": "there", "fingerprint": "0" * 64}}))
    assert run("apply", files / "base", files / "wrong", "--out", files / "applied") == 1
    assert re.search(r"has fingerprint \w{12}, and patch .* leads to 0{12}: ", capsys.readouterr().err)
    assert not (files / "applied").exists()


def test_conflicts_are_counted_and_listed_and_go_to_the_preferred(files, capsys):
    merge = ("merge", files / "first", files / "second", "--out", files / "both")
    assert run(*merge) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "entries to different values, in model." in said
    assert not (files / "both").exists()
    assert run(*merge, "--prefer", "first", "--json") == 0
    result = printed(capsys)
    assert result["conflicts"] == sum(result["conflicts_by_tensor"].values()) > 0
    assert f"set {result['conflicts']} entries" in said
    (files / "both").unlink()
    assert run(*merge, "--prefer", "last") == 0
    assert f"{result['conflicts']} conflicts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["apply", "{other}", "{first}", "--out", "{out}"], "was made for another model"),
        (["apply", "{none}", "{first}", "--out", "{out}"], "does not exist"),
        (["apply", "{base}", "{none}", "--out", "{out}"], "does not exist"),
        (["apply", "{base}", "{base}/config.json", "--out", "{out}"], "is the config of a model, not a patch"),
        (["apply", "{base}", "{cut}", "--out", "{out}"], "is no whole safetensors file"),
        (["apply", "{base}", "{first}", "--out", "{tuned}"], "exists already"),
        (["revert", "{base}", "{first}", "--out", "{out}"], "is not applied to"),
        (["diff", "{base}", "{base}", "--out", "{out}"], "are identical"),
        (["diff", "{base}", "testbed:aligned", "--out", "{out}"], "a patch needs two checkpoints of one architecture"),
        (["diff", "{base}", "{tuned}", "--out", "{first}"], "exists already"),
        (["merge", "{first}", "--out", "{out}"], "merging needs two or more patches"),
        (["merge", "{first}", "{first}", "--out", "{out}", "--prefer", "neither"], "--prefer"),
        (["inspect", "{none}"], "does not exist"),
        (["unmake", "{first}"], "unmake"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2_and_writes_nothing(arguments, sentence, files, capsys):
    (files / "cut").write_bytes((files / "first").read_bytes()[:-5])
    before = sorted(files.iterdir())
    names = {name: str(files / name) for name in ("base", "tuned", "other", "first", "cut", "none", "out")}
    assert run(*(argument.format(**names) for argument in arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err.splitlines()[-1]
    assert said.err.splitlines()[-1].startswith("holdfast: ")
    assert sorted(files.iterdir()) == before


def test_a_checkpoint_changed_outside_the_patch_is_exit_code_1(files, capsys):
    assert run("merge", files / "first", files / "second", "--prefer", "first", "--out", files / "both") == 0
    assert run("apply", files / "base", files / "both", "--out", files / "applied") == 0
    assert run("revert", files / "applied", files / "first", "--out", files / "out") == 1
    told = (
        "changed outside the patch, the place is unknown (give its base as --base to find it); give the checkpoint that"
    )
    assert told in capsys.readouterr().err
    assert run("revert", files / "applied", files / "first", "--out", files / "out", "--base", files / "base") == 1
    assert re.search(r"changed outside the patch, the first is entry \d+ of model\.", capsys.readouterr().err)
    assert not (files / "out").exists()


def test_diff_warns_of_each_other_file_that_differs_and_not_of_one_that_says_the_same(files, capsys):
    tuned = files / "tuned"
    config = json.loads((tuned / "config.json").read_text())
    (tuned / "config.json").write_text(json.dumps(config | {"transformers_version": "0.0"}))
    assert run("diff", files / "base", tuned, "--out", files / "third", "--json") == 0
    told = capsys.readouterr()
    assert "also differ" not in told.err
    assert json.loads(told.out)["other_files"] == []
    (tuned / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 2], "temperature": 0.5}))
    (tuned / "chat_template.jinja").write_text("{{ messages[0].content }}")
    (tuned / "README.md").write_text("another")
    (tuned / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 8}))
    assert run("diff", files / "base", tuned, "--out", files / "fourth", "--json") == 0
    told = capsys.readouterr()
    (line,) = [line for line in told.err.splitlines() if "also differ" in line]
    assert (
        "differ in chat_template.jinja, config.json, generation_config.json, and a patch carries weights alone" in line
    )
    assert json.loads(told.out)["other_files"] == ["chat_template.jinja", "config.json", "generation_config.json"]


def test_diff_warns_of_a_patch_that_is_larger_than_the_checkpoint(tmp_path, capsys):
    model = make_llama().bfloat16()
    base = save(tmp_path / "base", model)
    tuned = save(tmp_path / "tuned", tune(model, density=0.9))
    assert run("diff", base, tuned, "--out", tmp_path / "patch") == 0
    assert "is larger than the weights of" in capsys.readouterr().err
    few = save(tmp_path / "few", tune(make_llama().bfloat16(), density=0.01))
    assert run("diff", base, few, "--out", tmp_path / "small") == 0
    assert "is larger than" not in capsys.readouterr().err
