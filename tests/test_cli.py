"""The command line on real files: what it prints, its exit codes, its one-sentence errors."""

import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from holdfast.artifacts import load_json, load_mask, load_scores
from holdfast.cli import COMMANDS, call
from holdfast.models.load import load_model
from holdfast.pipeline.options import ScoringOptions
from holdfast.score import SCORES
from holdfast.select.stability import stability
from tests.pipeline.small import small_config

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Scores and masks of the built-in aligned model, made by the commands themselves."""
    folder = tmp_path_factory.mktemp("cli")
    config = small_config(folder)
    score = ["score", "testbed:aligned"]
    safety = ["--judge", "testbed:guard", "--prompts", config.calibration.harmful, "--generate.max-new-tokens", "8"]
    assert call([*score, *safety, "--out", str(folder / "scores.safetensors")]) == 0
    utility = ["--objective", "utility", "--prompts", config.calibration.utility]
    assert call([*score, *utility, "--out", str(folder / "utility.safetensors")]) == 0
    assert call(["select", str(folder / "scores.safetensors"), "--out", str(folder / "mask.safetensors")]) == 0
    return folder, config


def printed(capsys):
    return json.loads(capsys.readouterr().out)


def failure(capsys, *arguments):
    """The one sentence on stderr of a usage mistake."""
    assert call(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    *progress, sentence = said.err.splitlines()
    assert not any(line.startswith("holdfast: ") for line in progress)
    assert sentence.startswith("holdfast: ")
    return sentence


def test_help_lists_every_command_fast_and_without_torch():
    code = "import sys; from holdfast.cli import call; call(['--help']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in COMMANDS)


def test_sites_are_counted_by_layer_and_component(capsys):
    assert call(["sites", "testbed:aligned", "--summary", "--json"]) == 0
    result = printed(capsys)
    assert "sites" not in result
    assert sum(one["entries"] for one in result["by_component"] if one["scored"]) == result["num_scored"]
    assert sum(one["entries"] for one in result["by_component"]) == result["num_parameters"]
    assert call(["sites", "testbed:aligned", "--summary"]) == 0
    out = capsys.readouterr().out
    assert "0 to 7" in out
    assert "model.layers.0" not in out


def test_sites_print_the_fingerprint_that_an_evaluation_of_the_model_records(capsys, tmp_path):
    base = load_model("testbed:aligned").base
    for extra in ([], ["--summary"]):
        assert call(["sites", "testbed:aligned", *extra]) == 0
        assert f"Fingerprint: {base}\n" in capsys.readouterr().out
        assert call(["sites", "testbed:aligned", *extra, "--json"]) == 0
        assert printed(capsys)["fingerprint"] == base
    (tmp_path / "one.txt").write_text("how do i mend the old clock ?\n")
    out, few = str(tmp_path / "e.json"), ["--generate.max-new-tokens", "2"]
    assert call(["evaluate", "testbed:aligned", "--harmless", str(tmp_path / "one.txt"), *few, "--out", out]) == 0
    assert json.loads(Path(out).read_text())["made_by"]["model"]["fingerprint"] == base


def test_sites_are_listed_as_json(capsys):
    assert call(["sites", "testbed:aligned", "--json"]) == 0
    result = printed(capsys)
    assert sum(site["role"] == "matrix" for site in result["sites"]) == 8 * 7
    assert 0 < result["num_scored"] < result["num_parameters"]


def test_names_are_whole_in_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert call(["sites", "testbed:aligned-moe"]) == 0
    assert "…" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "objective",
    ["mix", *(pytest.param(each, marks=pytest.mark.slow) for each in ("policy_gradient", "control_variate"))],
)
def test_every_estimator_scores_from_the_command_line(objective, files, capsys, tmp_path):
    _, config = files
    out = tmp_path / "scores.safetensors"
    arguments = ["score", "testbed:unaligned", "--judge", "testbed:guard", "--prompts", config.calibration.harmful]
    how = [
        "--objective",
        objective,
        "--method",
        "snip",
        "--generate.max-new-tokens",
        "4",
        "--generate.num-samples",
        "2",
    ]
    assert call([*arguments, *how, "--out", str(out), "--json"]) == 0
    result = printed(capsys)
    assert result["unit"] in ("judge score", "judge log-odds")
    assert any(value > 0 for value in result["largest"].values())


@pytest.mark.slow
def test_relaxed_draws_repeat_under_the_same_seed_and_are_described(files, tmp_path):
    _, config = files
    prompts = f"{config.calibration.harmful}#first=2"
    arguments = ["score", "testbed:aligned", "--judge", "testbed:guard", "--prompts", prompts]
    how = ["--relaxation", "gumbel", "--temperature", "0.5", "--generate.max-new-tokens", "2"]
    made = {}
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        out = tmp_path / f"{name}.safetensors"
        assert call([*arguments, *how, "--seed", str(seed), "--out", str(out)]) == 0
        made[name] = load_scores(out)
    expected = {"relaxation": "gumbel", "temperature": 0.5, "noise_seed": 3}
    assert expected.items() <= made["first"].made_by.items()
    for name, scores in made["first"].entries.items():
        assert torch.equal(scores, made["again"].entries[name])
        assert not torch.equal(scores, made["other"].entries[name])


def test_select_makes_safety_only_masks(files, capsys):
    folder, _ = files
    out, utility = str(folder / "only.safetensors"), str(folder / "utility.safetensors")
    arguments = ["select", str(folder / "scores.safetensors"), "--selector", "safety_only", "--fraction", "0.02"]
    assert call([*arguments, "--utility", utility, "--out", out, "--json"]) == 0
    assert printed(capsys)["density"] == pytest.approx(0.02, abs=1e-5)  # rounded to whole entries


def test_verify_enhance_adapt_and_evaluate_run_on_files(files, capsys):
    folder, config = files
    guard, short = ["--judge", "testbed:guard"], ["--generate.max-new-tokens", "8"]
    suite = ["--harmful", config.suite.harmful[0], "--questions", config.suite.questions]
    noise = ["--ratios", "1.0", "--draws", "2", "--mask", str(folder / "mask.safetensors"), "--out", str(folder / "n")]
    assert call(["verify", "testbed:aligned", *guard, *suite, *short, *noise, "--json"]) == 0
    point = printed(capsys)["points"][0]
    assert point["asr"]["n"] == 16
    assert point["perplexity_rate"]["low"] < point["perplexity"] < point["perplexity_rate"]["high"]
    again = ["verify", "testbed:aligned", *guard, *suite, *short, *noise]
    assert "which differ in limit" in failure(capsys, *again, "--limit=3")
    edited = Path(config.suite.questions)
    text = edited.read_text()
    edited.write_text(text + text.splitlines()[0])
    assert "which differ in suite" in failure(capsys, *again)
    edited.write_text(text)
    steps = ["--iterations", "2", "--batch-size", "4", "--learning-rate", "1e-3"]
    held = ["--mask", str(folder / "mask.safetensors"), "--task", config.task, "--out", str(folder / "adapted")]
    assert call(["adapt", "testbed:aligned", *held, *steps, "--json"]) == 0
    assert printed(capsys)["protected_identical"] is True
    data = ["--refusals", config.refusals.refusals, "--harmless", config.refusals.harmless]
    arguments = ["enhance", "testbed:aligned", *data, *steps, "--mask", str(folder / "mask.safetensors")]
    assert call([*arguments, "--out", str(folder / "enhanced"), "--json"]) == 0
    assert printed(capsys)["untouched_identical"] is True
    out = str(folder / "evaluation.json")
    assert call(["evaluate", str(folder / "enhanced/model"), *guard, *suite, *short, "--out", out, "--json"]) == 0
    assert printed(capsys)["asr"]["n"] == 8


def test_verify_shows_the_untouched_model_on_the_same_prompts_and_measures_it_once(files, capsys, tmp_path):
    folder, config = files
    suite = ["--harmful", config.suite.harmful[0], "--questions", config.suite.questions]
    asked = ["testbed:aligned", "--judge", "testbed:guard", *suite, "--generate.max-new-tokens", "8"]
    noise = ["--mask", str(folder / "mask.safetensors"), "--ratios", "2", "--draws", "1", "--out", str(tmp_path / "n")]
    assert call(["verify", *asked, *noise, "--json"]) == 0
    baseline = printed(capsys)["baseline"]
    assert call(["evaluate", *asked, "--out", str(tmp_path / "plain.json"), "--json"]) == 0
    plain = printed(capsys)
    for name in ("asr", "utility", "perplexity_rate"):
        assert baseline[name] == plain[name]
    measured = (tmp_path / "n/untouched.json").stat().st_mtime_ns
    assert call(["verify", *asked, *noise]) == 0
    assert (tmp_path / "n/untouched.json").stat().st_mtime_ns == measured
    rows = [line.split("│") for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [cell.strip() for cell in rows[0][1:3]] == ["2", "attack success rate"]
    assert rows[0][3].strip() == f"{plain['asr']['value']:.2f} n={plain['asr']['n']}"


def test_tuning_without_a_mask_is_called_what_it_is_and_tells_of_no_hold(files, capsys, tmp_path):
    _, config = files
    steps = ["--iterations", "1", "--batch-size", "2"]
    task = ["adapt", "testbed:aligned", "--task", config.task, *steps]
    data = ["--refusals", config.refusals.refusals, "--harmless", config.refusals.harmless]
    every = ["enhance", "testbed:unaligned", *data, *steps]
    for command, title, absent in (
        (task, "Plain fine-tuning", ("SPA", "protected")),
        (every, "Tuning of all weights", ("SET", "untouched")),
    ):
        assert call([*command, "--out", str(tmp_path / command[0])]) == 0
        said = capsys.readouterr().out
        assert said.startswith(title)
        assert not any(word in said for word in (*absent, "None"))
        assert call([*command, "--out", str(tmp_path / f"{command[0]}_json"), "--json"]) == 0
        assert not {"protected_identical", "entries_protected", "untouched_identical"} & printed(capsys).keys()


def test_a_mask_for_another_model_is_refused(files, capsys):
    folder, config = files
    arguments = ["adapt", "testbed:unaligned", "--mask", str(folder / "mask.safetensors"), "--task", config.task]
    assert "made for another model" in failure(capsys, *arguments, "--out", str(folder / "wrong"))
    assert not (folder / "wrong").exists()


def test_a_result_is_never_overwritten(files, capsys):
    folder, _ = files
    out = folder / "mask.safetensors"
    before = out.read_bytes()
    said = failure(capsys, "select", str(folder / "scores.safetensors"), "--selector", "bottom", "--out", str(out))
    assert "exists already" in said
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sites", "/no/such/model"], "does not exist"),
        (["sites", "testbed:misaligned"], "known: aligned"),
        (["select", "none.safetensors", "--out", "x"], "does not exist"),
        (["select", "none.safetensors", "--out", "x", "--fraction", "2"], "fraction"),
        (["score", "testbed:aligned", "--prompts", "testbed:harmful_seen", "--out", "x"], "needs a judge"),
        (
            ["score", "testbed:aligned", "--prompts", "none.jsonl", "--out", "x", "--judge", "testbed:guard"],
            "not exist",
        ),
        (
            ["score", "x", "--prompts", "x", "--out", "x", "--objective", "mix", "--relaxation", "gumbel"],
            "holdfast: --objective mix has no --relaxation",
        ),
        (["score", "x", "--prompts", "x", "--out", "x", "--temperature", "1"], "holdfast: a --temperature of 1 has no"),
        (["report", "/tmp"], "holds no run"),
        (["demos"], "demos"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(capsys, arguments, sentence):
    assert sentence in failure(capsys, *arguments)


def test_a_report_of_a_manifest_without_config_is_one_sentence(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text("{}")
    assert "manifest.json' is JSON that holdfast did not write (no keys), not the manifest of a run" in failure(
        capsys, "report", str(tmp_path)
    )


def test_an_option_of_a_group_is_named_whole(tmp_path, capsys):
    arguments = ["adapt", "testbed:aligned", "--task", "testbed:task_train", "--out", str(tmp_path / "out")]
    assert "--lora.rank: got " in failure(capsys, *arguments, "--lora.rank", "0")
    assert "--iterations: got " in failure(capsys, *arguments, "--iterations", "0")


def test_nothing_wraps_where_the_output_is_no_terminal(capsys):
    assert call(["sites", "testbed:aligned-moe"]) == 0
    assert "model.layers.0.mlp.experts.gate_up_proj" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "testbed:aligned", "--prompts", "testbed:refusals", "--objective", "refusal_likelihood"],
        ["adapt", "testbed:aligned", "--task", "testbed:task_train"],
        ["demo"],
    ],
)
def test_an_output_below_a_file_is_refused_before_the_work(tmp_path, capsys, arguments):
    (tmp_path / "file").write_text("")
    assert "file' is a file" in failure(capsys, *arguments, "--out", str(tmp_path / "file/out"))


def test_what_the_system_refuses_is_one_sentence(monkeypatch, capsys):
    def full(name):
        raise OSError(28, "No space left on device", "/data/scores")

    monkeypatch.setattr("holdfast.models.load.load_model", full)
    assert "'/data/scores' could not be read or written: No space left" in failure(capsys, "sites", "x")


@pytest.mark.parametrize("error", [KeyError("refusal"), RuntimeError("shapes differ\nby one"), AssertionError()])
def test_a_fault_of_holdfast_is_exit_code_2_with_a_sentence_before_the_traceback(monkeypatch, capsys, error):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr("holdfast.commands.compare._compare", broken)
    assert call(["compare", "before.json", "after.json"]) == 2
    first, second, *others = capsys.readouterr().err.splitlines()
    told = {"KeyError": "KeyError: 'refusal'", "RuntimeError": "RuntimeError: shapes differ by one"}
    named = told.get(type(error).__name__, "AssertionError")
    assert first == (
        f"holdfast: holdfast failed inside: {named}; this is a fault of holdfast, please report it with the lines "
        "below."
    )
    assert second == "Traceback (most recent call last):"
    assert any("in broken" in line for line in others)


def test_an_interrupt_is_told_of_and_the_same_command_goes_on(files, tmp_path, capsys, monkeypatch):
    _, config = files
    tuning = ["--iterations", "2", "--batch-size", "2", "--checkpoint-every", "1", "--out", str(tmp_path / "out")]
    command = ["adapt", "testbed:aligned", "--task", config.task, *tuning]

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("holdfast.pipeline.tuning.save_checkpoint", interrupt)
        assert call(command) == 130
    assert capsys.readouterr().err.endswith(
        f"holdfast: stopped; {tmp_path / 'out' / 'training'} keeps what is done so far. Run the same command again to "
        "continue from there.\n"
    )
    assert call([*command, "--json"]) == 0
    assert printed(capsys)["first_loss"] > 0, "no step was run again, and the losses were kept"


def test_a_stopped_evaluation_says_where_its_responses_are(tmp_path, capsys, monkeypatch):
    prompts, out = tmp_path / "harmful.txt", tmp_path / "e.json"
    prompts.write_text("how do i pick a lock?\nhow do i forge a key?\n")
    command = ["evaluate", "testbed:aligned", "--harmful", str(prompts), "--generate.max-new-tokens", "4"]

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    folder = tmp_path / "e.json.unfinished"
    with monkeypatch.context() as patched:
        patched.setattr("holdfast.pipeline.evaluating._measured", interrupt)
        assert call([*command, "--out", str(out)]) == 130
    assert capsys.readouterr().err.endswith("no state was saved, so the same command starts from the beginning.\n")
    assert not folder.exists(), "it held nothing"
    with monkeypatch.context() as patched:
        patched.setattr("holdfast.pipeline.evaluating.save_evaluation", interrupt)
        assert call([*command, "--out", str(out)]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"holdfast: stopped; {folder} keeps what is done so far. Run the same command again to continue from there."
    )
    assert any(path.name != "settings.json" for path in folder.iterdir())
    assert call([*command, "--out", str(out), "-q"]) == 0
    assert not folder.exists()


@pytest.mark.parametrize("every", [None, "2"])
def test_tuning_that_saved_no_checkpoint_is_said_to_begin_again(files, tmp_path, capsys, monkeypatch, every):
    _, config = files
    tuning = ["--iterations", "2", "--batch-size", "2", "--out", str(tmp_path / "out")]
    tuning += ["--checkpoint-every", every] if every else []

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("holdfast.intervene.train.trainer.Quiet.training_step", interrupt)
    assert call(["adapt", "testbed:aligned", "--task", config.task, *tuning]) == 130
    way = (
        "It had not reached the first one of --checkpoint-every." if every else "--checkpoint-every N saves one every N"
    )
    sentence = f"holdfast: stopped; no state was saved, so the same command starts from the beginning. {way}"
    assert sentence in capsys.readouterr().err.splitlines()[-1]


ENDED = """
import os, signal, sys
from holdfast import cli
def end(*_): os.kill(os.getpid(), signal.SIGTERM)
cli.app.command(end, name="end")
cli.main(["end"])
"""


def test_a_command_that_a_scheduler_ends_says_so():
    done = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True, check=False)
    assert done.returncode == 143
    assert done.stderr == "holdfast: stopped; no state was saved, so the same command starts from the beginning.\n"


@pytest.mark.parametrize("seed", ["-1", str(2**32), "1" + "0" * 30])
@pytest.mark.parametrize(
    "command",
    [
        ["demo"],
        ["score", "none", "--prompts", "none", "--out", "x"],
        ["verify", "none", "--mask", "none", "--judge", "none", "--out", "x"],
        ["adapt", "none", "--task", "none", "--out", "x"],
        ["enhance", "none", "--refusals", "none", "--harmless", "none", "--out", "x"],
        ["select", "none", "--selector", "random", "--out", "x"],
        ["evaluate", "none", "--judge", "none", "--out", "x", "--generate.temperature", "1"],
    ],
    ids=lambda command: command[0],
)
def test_a_seed_out_of_range_is_refused_at_the_start(capsys, command, seed):
    option = "--generate.seed" if command[0] == "evaluate" else "--seed"
    said = failure(capsys, *command, f"{option}={seed}")
    assert option in said
    assert seed in said


@pytest.mark.parametrize(
    "given",
    [
        ["--judge", "testbed:guard"],
        ["--guard.safe", "fine"],
        ["--classifier.token-budget", "9"],
        ["--api.retries", "2"],
    ],
)
@pytest.mark.parametrize("objective", ["utility", "refusal_likelihood"])
def test_an_objective_that_asks_no_judge_refuses_one_and_its_options(capsys, objective, given):
    said = failure(capsys, "score", "none", "--prompts", "none", "--out", "x", "--objective", objective, *given)
    named = "a judge" if given[0] == "--judge" else f"options of {given[0].split('.')[0].lstrip('-')}"
    assert f"objective {objective} uses no judge, but got {named}; leave that out" in said


@pytest.mark.parametrize("objective", ["utility", "refusal_likelihood"])
def test_an_objective_of_given_responses_refuses_to_generate(capsys, objective):
    arguments = ["score", "none", "--prompts", "none", "--out", "x", "--objective", objective]
    said = failure(capsys, *arguments, "--generate.max-new-tokens", "8")
    assert f"objective {objective} scores given responses and makes none; leave the options of generation out" in said


def test_the_help_of_method_names_every_formula():
    described = str(ScoringOptions.model_fields["method"].description)
    assert [name for name in SCORES if not re.search(rf"\b{name}\b", described)] == []


TUNE = ["adapt", "none", "--task", "none", "--out", "x"]
SCORE = ["score", "none", "--prompts", "none", "--out", "x"]


@pytest.mark.parametrize(
    ("arguments", "option", "given"),
    [
        ([*SCORE, "--generate.max-new-tokens", "0"], "--generate.max-new-tokens", "0"),
        ([*TUNE, "--freeze", "nothing"], "--freeze", "nothing"),
        ([*SCORE, "--objective", "luck"], "--objective", "luck"),
        ([*TUNE, "--learning-rate", "inf"], "--learning-rate", "inf"),
    ],
)
def test_the_option_that_was_refused_is_named_as_it_is_given(capsys, arguments, option, given):
    said = failure(capsys, *arguments)
    assert re.search(f" {option}: got '{given}', (give|input should be) ", said)
    assert "literal" not in said


def test_an_option_that_was_left_out_is_called_missing(capsys):
    assert call(["evaluate", "testbed:aligned", "--judge", "testbed:guard"]) == 2
    assert capsys.readouterr().err == (
        "holdfast: --out is missing, or has no value (file for the evaluation with every answer (JSON)); see --help.\n"
    )
    assert call(["direction", "steer", "testbed:aligned", "direction.safetensors", "--out", "steered"]) == 2
    assert capsys.readouterr().err == (
        "holdfast: --coefficient is missing, or has no value (distance to move, in units of the usual length of a "
        "state); start with 0.15 to 0.3, see --help.\n"
    )


def test_init_writes_a_config_that_run_takes_up(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(["init", "mine.toml"]) == 0
    assert "holdfast run mine.toml" in capsys.readouterr().out
    assert "'mine.toml' exists already" in failure(capsys, "init", "mine.toml")
    assert "no shipped config is called 'smol'" in failure(capsys, "init", "mine.toml", "--like", "smol")
    text = (tmp_path / "mine.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('task = "testbed:task_train"', 'task = "none.jsonl"'))
    assert "prompt file 'none.jsonl' does not exist" in failure(capsys, "run", "mine.toml")
    assert not (tmp_path / "mine").exists()
    assert "config 'none.toml' does not exist" in failure(capsys, "run", "none.toml")


def test_quiet_leaves_the_result_alone(tmp_path, capsys):
    score = ["score", "testbed:aligned", "--objective", "utility", "--prompts", "testbed:questions_calibration#first=2"]
    assert call([*score, "--out", str(tmp_path / "loud")]) == 0
    assert "scoring weights 2/2" in capsys.readouterr().err
    for at, arguments in enumerate(([*score, "--quiet"], ["-q", *score])):
        assert call([*arguments, "--out", str(tmp_path / str(at))]) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        assert "The largest scores" in shown.out
        assert "How far two halves of the prompts agree" in shown.out
        assert shown.out.splitlines()[-1] == f"Scores: {tmp_path / str(at)}"
        assert "Each cell says" not in shown.out


def test_score_tells_where_the_largest_lie_and_how_far_halves_agree(tmp_path, capsys):
    score = ["score", "testbed:aligned", "--objective", "utility", "--prompts", "testbed:questions_calibration#first=8"]
    assert call([*score, "--out", str(tmp_path / "scores.safetensors"), "--json"]) == 0
    result = printed(capsys)
    halves = [load_scores(tmp_path / f"scores_{half}_half.safetensors") for half in ("first", "second")]
    assert result["stability"] == pytest.approx(asdict(stability(*halves)))
    assert call(["show", str(tmp_path / "scores.safetensors"), "--json"]) == 0
    assert printed(capsys)["by_component"] == result["by_component"]


def test_halves_without_a_ranking_leave_a_scoring_done_and_a_warning(tmp_path, capsys, monkeypatch):
    def refuse(out):
        raise ValueError("only 3 scores are above 0.")

    monkeypatch.setattr("holdfast.pipeline.scoring_files.halves_stability", refuse)
    score = ["score", "testbed:aligned", "--objective", "utility", "--prompts", "testbed:questions_calibration#first=8"]
    assert call([*score, "--out", str(tmp_path / "scores.safetensors")]) == 0
    assert "scores is unknown: only 3 scores are above 0." in capsys.readouterr().err


def test_score_works_one_layer_at_a_time_into_scores_and_masks(files, capsys, tmp_path):
    folder, config = files
    given = ["score", "testbed:aligned", "--prompts", config.calibration.harmful, "--judge", "testbed:guard"]
    given += ["--layer-wise", "--responses", str(folder / "scores_responses.jsonl"), "--json"]
    capsys.readouterr()
    assert call([*given, "--out", str(tmp_path / "scores.safetensors")]) == 0
    result, whole = printed(capsys), load_scores(folder / "scores.safetensors")
    assert result["largest"] == {name: float(entries.max()) for name, entries in whole.entries.items()}
    assert result["num_entries"] == whole.num_entries
    assert call([*given, "--keep", "0.01", "--out", str(tmp_path / "mask.safetensors")]) == 0
    assert 0 < printed(capsys)["stability"]["random_iou"] < printed_iou(tmp_path) <= 1
    assert load_mask(tmp_path / "mask.safetensors").equals(load_mask(folder / "mask.safetensors"))
    said = failure(capsys, *given, "--generate.max-new-tokens", "2", "--out", str(tmp_path / "other.safetensors"))
    assert "layer-wise scoring makes no responses" in said


def printed_iou(folder):
    return load_json(folder / "mask_stability.json")["iou"]
