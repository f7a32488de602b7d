"""`holdfast compare` and `holdfast report` on logs of other programs."""

import json
from xml.etree import ElementTree

import pytest

from holdfast import compare
from holdfast.cli import call
from tests.evaluate.logs.constructed import garak_log, inspect_log, inspect_sample, lm_eval_log
from tests.evaluate.logs.programs.making import unpack

LOST = ("C" * 20, "C" * 10 + "I" * 10)


def told(capsys, *arguments):
    code = call([*map(str, arguments)])
    return code, *capsys.readouterr()


@pytest.fixture
def logs(tmp_path):
    """Two logs of inspect: of 20 right answers the second model keeps ten."""
    return [
        inspect_log(tmp_path / f"{name}.json", letters) for name, letters in zip(("before", "after"), LOST, strict=True)
    ]


def test_a_lost_skill_is_exit_code_1_with_the_samples_to_look_at(capsys, logs):
    code, out, err = told(capsys, "compare", *logs, "--fail-if", "includes < before - 0.02 and p < 0.05")
    assert code == 1
    headline = "includes < before - 0.02 and p < 0.05 is met, includes fell from 1.000 to 0.500."
    assert err.startswith(f"holdfast: the gate failed: {headline}\n")
    assert "ask q10" not in err
    gate = ["--fail-if", "includes < before - 0.02 and p < 0.05", "--responses", "3"]
    quoted = told(capsys, "compare", *logs, *gate)[2].splitlines()[-1]
    assert quoted == (
        "  Look at the answers to 3 of the 10 prompts that got worse: 'q10 ask q10', 'q11 ask q11', 'q12 ask q12'."
    )
    assert "before: before (" in out
    assert "Compared: all 20 samples of both logs match." in out


def test_the_page_of_two_logs_names_the_program_and_the_samples(capsys, logs, tmp_path):
    assert told(capsys, "compare", *logs, "--fail-if", "includes < before - 0.9", "--html", tmp_path / "g.html")[0] == 0
    page = (tmp_path / "g.html").read_text()
    assert "all 20 samples of both logs match" in page
    assert 'aria-label="includes of before and after' in page


def test_kept_skills_are_exit_code_0(capsys, logs):
    code, out, err = told(capsys, "compare", *logs, "--fail-if", "includes < before - 0.9")
    assert code == 0
    assert err.startswith("holdfast: warning: includes got worse and the conditions allow it: includes was 1.000")
    assert out.endswith("Exit code 0: the gate passed, and its conditions allow a loss of more than 0.2.\n")


def test_too_few_samples_to_decide_are_exit_code_3(capsys, logs):
    code, _, err = told(capsys, "compare", *logs, "--fail-if", "includes < before - 0.6")
    assert code == 3
    assert err.startswith("holdfast: the gate cannot decide: includes < before - 0.6, includes fell from 1.000 to 0.5")
    assert told(capsys, "compare", *logs, "--fail-if", "includes < before - 0.6", "--undecided", "pass")[0] == 0


def test_without_a_condition_one_on_a_measure_of_the_log_is_suggested(capsys, logs, tmp_path):
    _, out, _ = told(capsys, "compare", *logs)
    assert 'give conditions, such as --fail-if "includes < before - 0.05".' in out
    reports = [garak_log(tmp_path / f"{name}.jsonl", [[score]]) for name, score in (("a", 0.0), ("b", 1.0))]
    _, out, _ = told(capsys, "compare", *reports)
    assert '--fail-if "asr > before + 0.05".' in out


def test_json_says_how_many_samples_match_and_has_every_test(capsys, tmp_path):
    paths = [
        inspect_log(tmp_path / "before.json", ["C", "P", "C", "C"]),
        inspect_log(tmp_path / "after.json", ["I", "P", "I"]),
    ]
    code, out, err = told(capsys, "compare", *paths, "--json")
    result = json.loads(out)
    assert code == 0
    assert result["logs"] == {
        "program": "inspect",
        "matched": "3 of 4 samples before match 3 of 3 after",
        "samples": 3,
        "only_before": 1,
        "only_after": 0,
    }
    assert "warning: 3 of 4 samples before match 3 of 3 after; the others are left out" in err
    # Differences -1, 0, -1: mean -2/3, standard error 1/3, so t = -2 with 2 degrees of freedom, p = 0.1835.
    assert result["measures"]["includes"]["mean"]["p_value"] == pytest.approx(0.1835, abs=1e-4)
    assert result["models"] == ["before", "after"]


def test_measures_are_chosen_by_name(capsys, tmp_path):
    paths = [
        inspect_log(
            tmp_path / name, [], samples=[inspect_sample("q", {"a": one, "b": one}), inspect_sample("r", {"a": 1})]
        )
        for name, one in (("before.json", "C"), ("after.json", "I"))
    ]
    _, out, _ = told(capsys, "compare", *paths, "--json", "--measure", "b")
    assert list(json.loads(out)["measures"]) == ["b"]
    code, _, err = told(capsys, "compare", *paths, "--measure", "c")
    assert (code, err) == (2, "holdfast: the chosen measure is 'c', which neither log has; known: a, b.\n")


def test_files_for_continuous_integration_name_the_samples_and_no_command_of_ours(capsys, logs, tmp_path):
    files = ["--junit", tmp_path / "gate.xml", "--markdown", tmp_path / "gate.md", "--responses", "20"]
    assert told(capsys, "compare", *logs, "--fail-if", "includes < before", *files)[0] == 1
    failure = ElementTree.parse(tmp_path / "gate.xml").find(".//failure")
    assert failure is not None
    assert "10 prompts got worse and 0 got better; look at the answers" in failure.text
    assert "ask q10" not in failure.text
    text = (tmp_path / "gate.md").read_text()
    assert "- Logs of inspect: all 20 samples of both logs match" in text
    assert "- `q10 ask q10`\n  - before, correct: `I say C`\n  - after, not correct: `I say I`\n" in text
    assert "holdfast show" not in failure.text + text


def test_options_that_logs_or_evaluations_lack_are_refused(capsys, logs, tmp_path):
    code, _, err = told(capsys, "compare", *logs, "--before-fingerprint", "ab" * 6)
    assert (code, "record no fingerprint of it; leave out the fingerprint" in err) == (2, True)
    code, _, err = told(capsys, "compare", *logs, "--judge-card", "card.json")
    assert (code, "have no card of their judge; leave out --judge-card" in err) == (2, True)
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps({"answers": [], "asr": {}, "groups": {}}))
    code, _, err = told(capsys, "compare", tmp_path / "a.json", tmp_path / "b.json", "--measure", "asr")
    assert (code, "evaluations are compared in all; leave it out" in err) == (2, True)


@pytest.mark.parametrize(
    ("write", "suffix", "name"),
    [
        (
            lambda path: inspect_log(path, "CI", status="error"),
            ".json",
            "inspect that was cut off: its status is 'error'",
        ),
        (lambda path: lm_eval_log(path, [1.0], **{"n-samples": {"choose": {"effective": 9}}}), "", "1 of 9 samples"),
        (
            lambda path: garak_log(path, [[1.0]], ended=False),
            ".jsonl",
            "garak that was cut off: it has no entry of its",
        ),
    ],
)
def test_a_log_that_was_cut_off_is_exit_code_2_in_one_sentence(capsys, tmp_path, write, suffix, name):
    paths = [write(tmp_path / f"{model}{suffix}") for model in ("before", "after")]
    for command in (["compare", *paths], ["report", paths[0]]):
        code, out, err = told(capsys, *command)
        assert (code, out) == (2, "")
        assert name in err
        assert len(err.splitlines()) == 1


def test_report_prints_every_measure_with_its_interval_and_writes_nothing(capsys, tmp_path):
    made = unpack(tmp_path)
    before = sorted(made.rglob("*"))
    code, out, err = told(capsys, "report", made / "inspect/before-once.json")
    assert (code, err) == (0, "")
    assert "includes  │ includes           │ 0.83 [0.55, 0.95] n=12" in out
    assert "mockllm/before" in out
    _, out, _ = told(capsys, "report", made / "garak/after-3.report.jsonl", "--json")
    result = json.loads(out)
    assert (result["program"], result["samples"]) == ("garak", 12)
    assert result["measures"]["asr"]["value"] == pytest.approx(7 / 12)
    assert sorted(made.rglob("*")) == before


def test_report_of_a_log_has_no_figures(capsys, logs, tmp_path):
    code, _, err = told(capsys, "report", logs[0], "--figures", tmp_path / "figures")
    assert (code, "of a log of inspect only the measures are printed; leave out the options other" in err) == (2, True)


def test_text_of_a_log_acts_on_no_terminal(capsys, tmp_path):
    asked = "ask \x1b[31m[bold]red"
    paths = [
        inspect_log(
            tmp_path / f"{name}.json", [], samples=[inspect_sample(f"q{n}", {"a": one}, asked=asked) for n in range(9)]
        )
        for name, one in (("before", 1), ("after", 0))
    ]
    code, out, err = told(capsys, "compare", *paths, "--fail-if", "a < before", "--responses", "3")
    assert code == 1
    assert "\x1b" not in out + err
    assert "q0 ask \\x1b[31m[bold]red" in err


def test_compare_in_python_takes_paths_of_logs(logs):
    found = compare(*map(str, logs), ["includes < before - 0.02 and p < 0.05"])
    assert not found.passed
    assert found.measures["includes"].paired.only_before == 10


def test_numbers_that_seem_to_contradict_each_other_are_explained_below_the_tables(capsys, tmp_path):
    scores = {"before": [*"C" * 20], "after": [*"C" * 15, *["?"] * 5]}
    paths = [inspect_log(tmp_path / f"{name}.json", given) for name, given in scores.items()]
    conditions = ["--fail-if", "includes < before - 0.1", "--fail-if", "includes < 0.9"]
    code, out, err = told(capsys, "compare", *paths, *conditions)
    assert code == 3
    assert "changes those of the prompts that are scored before and after" in out
    lines = err.splitlines()
    assert lines[1] == "holdfast: the gate cannot decide 2 of 2 conditions with these prompts."
    begun = [line for line in lines if line.startswith("- ")]
    ending = "includes stayed at 1.000."
    assert begun == [f"- includes < before - 0.1, {ending}", f"- includes < 0.9, {ending}"]
    assert lines[-1].endswith("so that the prompts without a score get one, or accept it with --undecided warn.")
    result = json.loads(told(capsys, "compare", *paths, "--json")[1])
    assert result["measures"]["includes"]["lost"] == 5


def test_a_strict_gate_refuses_swapped_logs_also_if_nobody_names_the_models(capsys, logs):
    gate = ["--fail-if", "includes.unscored > 5", "--strict"]
    swapped = list(reversed(logs))
    code, out, err = told(capsys, "compare", *swapped, *gate)
    assert (code, out) == (2, "")
    assert "give --before-model NAME and --after-model NAME, which a strict gate on two logs needs" in err
    named = ["--before-model", "before", "--after-model", "after"]
    assert told(capsys, "compare", *swapped, *gate, *named)[0] == 2
    assert told(capsys, "compare", *logs, *gate, *named)[0] == 0
