"""`holdfast report` on folders that are whole, half done, older or broken."""

import json
import shlex

import pytest

from holdfast.artifacts import save_evaluation, save_json
from holdfast.cli import call
from holdfast.outcomes import Evaluation, Rate
from holdfast.report.page import with_code
from holdfast.report.schema import SCHEMA
from tests.pipeline.small import small_config

RATE = Rate(0.5, 0.1, 0.9, 4)


@pytest.fixture
def run(tmp_path):
    """A run that stopped once the unaligned model had been evaluated."""
    folder = tmp_path / "run"
    config = small_config(tmp_path)
    save_json(folder / "manifest.json", {"run": "9f2c", "config": config.model_dump(mode="json"), "timings": {}})
    save_evaluation(folder / "enhance/before.json", Evaluation(RATE, RATE, RATE, 2.0))
    return folder


def told(capsys, *arguments):
    code = call(["report", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_a_run_that_stopped_half_way_shows_what_there_is_and_says_what_is_missing(run, capsys):
    code, out, _ = told(capsys, run)
    assert code == 0
    sentence = (
        "This run is not complete: it stopped, it failed, or it still goes on. Missing: locate, evaluate aligned, "
    )
    sentence += "locate in unaligned, noise 0.38 on top"
    assert sentence in out
    command = f"{shlex.join(['holdfast', 'run', 'CONFIG', '--out', str(run)])}"
    assert f"`{command}` makes the missing pieces." in out
    page = (run / "report.html").read_text()
    assert sentence in page
    assert with_code(f"`{command}` makes the missing pieces.") in page
    assert "holdfast demo" not in page
    assert page.count("Not measured yet.") == 3  # locate, verify, adapt; enhance has begun
    assert 'aria-label="Attack success of every arm' in page


def test_quiet_prints_the_tables_and_the_page_alone(run, capsys):
    code, out, err = told(capsys, run, "-q")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"The page: {run / 'report.html'}"


def test_json_names_every_missing_piece(run, capsys):
    code, out, _ = told(capsys, run, "--json")
    report = json.loads(out)
    assert (code, report["missing"][0]) == (0, "locate")
    assert report["folder"] == "run", "no folder above it: the page may be public"
    assert "evaluate unaligned" not in report["missing"]
    assert {"enhance top", "adapt plain"} <= set(report["missing"])


def test_a_report_of_an_older_version_is_written_anew(run, capsys):
    save_json(run / "report.json", {"schema": 0, "locate": "as it was"})
    assert told(capsys, run)[0] == 0
    assert json.loads((run / "report.json").read_text())["schema"] == SCHEMA


def test_a_section_of_an_older_version_shows_what_it_has(run, capsys):
    rows = [{"layer": 0, "component": "v_proj", "selected": 3, "entries": 9, "mean_esi": 0.1}]
    save_json(run / "locate/section.json", {"num_selected": 3, "by_component": rows})
    assert told(capsys, run)[0] == 0
    page = (run / "report.html").read_text()
    assert "v_proj" in page
    assert "How the scores are distributed" not in page


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("manifest.json", None, "holds no run: it has no manifest.json; give the folder of"),
        ("manifest.json", "{", "could not be read as JSON"),
        (
            "manifest.json",
            "{}",
            "manifest.json' is JSON that holdfast did not write (no keys), not the manifest of a run; give another",
        ),
        ("manifest.json", '{"config": {"modell": 1}}', "there is no setting modell; did you mean 'model'?"),
        ("enhance/before.json", '{"asr": ', "could not be read as JSON"),
        ("enhance/before.json", "{}", "not an evaluation; remove it and run the `holdfast run` or `holdfast demo` of "),
        ("enhance/top/patch.safetensors", "cut off", "is no whole safetensors file"),
        ("locate/section.json", "[]", "is JSON that holds a list, not a JSON object"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(run, capsys, file, content, sentence):
    (run / file).unlink(missing_ok=True)
    if content is not None:
        (run / file).parent.mkdir(parents=True, exist_ok=True)
        (run / file).write_text(content)
    code, out, err = told(capsys, run)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.startswith("holdfast: ")
    assert err.count("\n") == 1


def test_a_file_that_show_reads_is_sent_there(run, capsys):
    path = run / "enhance/before.json"
    code, _, err = told(capsys, path)
    assert code == 2
    assert f"'{path}' holds no run: it is an evaluation; `holdfast show {path}` shows it, and this command" in err
    assert "publishes it with --card (Markdown), --eval-results" in err


def test_figures_are_counted_and_written_where_they_are_asked_for(run, capsys, tmp_path):
    code, out, _ = told(capsys, run, "--figures", tmp_path / "figures")
    written = [path.suffix for path in (tmp_path / "figures").iterdir()]
    assert code == 0
    assert written.count(".svg") == 4  # attack success, over-refusal, utility, perplexity before
    assert f"Figures: {len(written)} files in " in out


def test_a_file_in_the_place_of_the_figures_is_refused(run, capsys, tmp_path):
    (tmp_path / "taken").write_text("mine")
    code, _, err = told(capsys, run, "--figures", tmp_path / "taken")
    assert (code, err.count("\n")) == (2, 1 if "CairoSVG" not in err else 2)
    assert (tmp_path / "taken").read_text() == "mine"
