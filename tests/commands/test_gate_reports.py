"""Reports of a gate that cannot be written: refused before anything is read, and never at the cost of the verdict."""

import json
from xml.etree import ElementTree

import pytest

from holdfast.artifacts import save_evaluation
from holdfast.cli import call
from holdfast.commands import gate_reports
from tests.commands.test_compare import RELEASE, made_by
from tests.evaluate.constructed import aligned, held_fast, plainly_tuned

OPTIONS = ("--junit", "--markdown", "--html")


@pytest.fixture
def evaluations(tmp_path):
    """Paths of the evaluation of an aligned model, of one that passes a gate, and of one that fails it."""
    paths = []
    for name, make in (("aligned", aligned), ("held", held_fast), ("plain", plainly_tuned)):
        paths.append(str(tmp_path / f"{name}.json"))
        save_evaluation(tmp_path / f"{name}.json", make(made_by=made_by(name)))
    return paths


@pytest.fixture
def full_disk(monkeypatch):
    """Lets every write fail after the check of the paths, as on a disk that filled up meanwhile."""

    def refuse(path, text):
        raise OSError(28, "No space left on device", f"{path}.partial")

    monkeypatch.setattr(gate_reports, "save_text", refuse)


@pytest.mark.parametrize("option", OPTIONS)
def test_a_path_that_cannot_be_written_is_refused_before_anything_is_read(option, tmp_path, capsys):
    long = str(tmp_path / f"{'a' * 250}.html")  # the name fits, and that with .partial does not
    for path in ("/proc/gate.html", long):
        assert call(["compare", "missing.json", "missing.json", "--fail-if", "asr > 0.5", option, path]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"holdfast: the report '{path}' cannot be written: ")
        assert len(told.splitlines()) == 1
        assert ".partial" not in told
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_the_unfinished_file_is_refused_before_anything_is_read(tmp_path, capsys):
    (tmp_path / "gate.html.partial").mkdir()
    path = str(tmp_path / "gate.html")
    assert call(["compare", "missing.json", "missing.json", "--html", path]) == 2
    assert f"the report {path!r} cannot be written: File exists" in capsys.readouterr().err


def test_one_file_for_two_reports_is_refused(tmp_path, capsys):
    both = str(tmp_path / "gate.md")
    condition = ["--fail-if", "asr > 0.5"]
    assert call(["compare", "missing.json", "missing.json", *condition, "--junit", both, "--markdown", both]) == 2
    assert "is given for two reports; give each report a file of its own" in capsys.readouterr().err


def test_an_unfinished_file_of_a_stopped_command_is_no_obstacle(evaluations, tmp_path):
    (tmp_path / "gate.md.partial").write_text("half")
    assert call(["compare", *evaluations[:2], *RELEASE, "--markdown", str(tmp_path / "gate.md")]) == 0
    assert (tmp_path / "gate.md").is_file()


def test_where_writing_fails_a_passed_gate_says_so_first_and_ends_with_exit_code_2(
    evaluations, full_disk, tmp_path, capsys
):
    path = str(tmp_path / "gate.html")
    assert call(["compare", *evaluations[:2], *RELEASE, "--html", path, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2
    assert call(["compare", *evaluations[:2], *RELEASE, "--html", path]) == 2
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == "Exit code 2: the gate passed, but a report could not be written."
    assert told.err == (
        f"holdfast: the report {path!r} cannot be written: No space left on device; choose another path, or free its "
        "place.\n"
    )


def test_where_writing_fails_a_failed_gate_keeps_its_exit_code(evaluations, full_disk, tmp_path, capsys):
    path = str(tmp_path / "gate.md")
    assert call(["compare", evaluations[0], evaluations[2], *RELEASE, "--markdown", path]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines()[-1].startswith("Exit code 1: the gate failed")
    assert f"warning: the report {path!r} cannot be written: No space left on device" in told.err
    assert "holdfast: the gate failed: asr > before + 0.03 is met" in told.err


@pytest.mark.parametrize(
    ("files", "conditions", "sentence"),
    [
        (("none", "held"), RELEASE, "none.json' does not exist"),
        (("aligned", "held"), ["--fail-if", "asr rises"], "the condition 'asr rises' does not parse"),
        (("aligned", "held"), ["--fail-if", "task < 1"], "'task', which was not measured before"),
    ],
)
def test_an_early_error_is_one_case_of_junit_and_a_sentence_of_markdown(
    files, conditions, sentence, evaluations, tmp_path
):
    paths = [str(tmp_path / f"{name}.json") for name in files]
    written = ["--junit", str(tmp_path / "gate.xml"), "--markdown", str(tmp_path / "gate.md")]
    assert call(["compare", *paths, *conditions, *written]) == 2
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()[0]
    assert [suite.get(name) for name in ("tests", "errors", "failures")] == ["1", "1", "0"]
    assert sentence in suite.find("testcase/error").get("message")
    heading, _, text = (tmp_path / "gate.md").read_text().partition("\n\n")
    assert heading.endswith("no decision, because the comparison ended with an error (exit code 2)")
    assert sentence in text


def test_the_report_of_an_error_is_replaced_and_that_of_a_decision_is_not(evaluations, tmp_path, capsys):
    written = ["--junit", str(tmp_path / "gate.xml"), "--markdown", str(tmp_path / "gate.md")]
    assert call(["compare", str(tmp_path / "none.json"), evaluations[1], *RELEASE, *written]) == 2
    assert call(["compare", *evaluations[:2], *RELEASE, *written]) == 0
    assert "the gate passed" in (tmp_path / "gate.md").read_text()
    capsys.readouterr()
    assert call(["compare", *evaluations[:2], *RELEASE, *written]) == 2
    assert "gate.xml' exists already" in capsys.readouterr().err
    assert "the gate passed" in (tmp_path / "gate.xml").read_text()


def test_a_full_disk_hides_no_error(full_disk, tmp_path, capsys):
    written = ["--markdown", str(tmp_path / "gate.md")]
    assert call(["compare", str(tmp_path / "none.json"), str(tmp_path / "none.json"), *RELEASE, *written]) == 2
    warning, error = capsys.readouterr().err.splitlines()
    assert "cannot be written: No space left on device" in warning
    assert "none.json' does not exist" in error
