"""What is told of long work where no terminal draws bars, and of results where nobody or a poor terminal reads."""

import json
import os
import re
import subprocess
import sys
import time

import pytest
from rich.progress import Progress as RichProgress

from holdfast.cli import call
from holdfast.commands import console
from holdfast.commands.console import show, shown_progress, table


def test_the_first_line_comes_at_once_and_so_do_beginnings_and_ends(capsys):
    with shown_progress() as progress:
        for message in (("pieces of the run", 12, 30), ("scoring", 3, 9), ("adapt", 0, 1), ("scoring", 9, 9)):
            progress(*message)
    said = capsys.readouterr().err.splitlines()
    assert said == ["pieces of the run 12/30", "adapt", "scoring 9/9"]


def test_a_step_that_takes_long_is_told_of_while_it_lasts(capsys, monkeypatch):
    monkeypatch.setattr(console, "SECONDS_OF_SILENCE", 0.02)
    with shown_progress() as progress:
        progress("scoring", 0, 9)
        time.sleep(0.5)
        progress("scoring", 9, 9)
        time.sleep(0.5)
    first, *lines = capsys.readouterr().err.splitlines()
    ended = lines.index("scoring 9/9")
    assert first == "scoring 0/9"
    assert set(lines[:ended]) == {"scoring 0/9, 0 s so far", "scoring 0/9, 1 s so far"} & set(lines[:ended])
    assert ended > 0
    after = {f"the step after scoring, {seconds} s so far" for seconds in (0, 1)}
    assert set(lines[ended + 1 :]) <= after
    assert lines[ended + 1 :]
    time.sleep(0.1)
    assert not capsys.readouterr().err, "nothing is told when the command has ended"


def test_the_step_that_runs_is_named_and_not_the_count_that_was_told_last(capsys, monkeypatch):
    monkeypatch.setattr(console, "SECONDS_OF_SILENCE", 0.02)
    with shown_progress() as progress:
        for message in (("pieces of the run", 1, 9), ("enhance top", 0, 1), ("enhance top: tuning", 0, 5)):
            progress(*message)
        progress("pieces of the run", 2, 9)
        progress("enhance top: tuning", 5, 5)
        progress("pieces of the run", 3, 9)
        capsys.readouterr()
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert set(lines) == {"enhance top, 0 s so far"}


def test_every_line_of_a_running_step_names_it_and_says_how_long_it_has_run(capsys, monkeypatch):
    monkeypatch.setattr(console, "SECONDS_OF_SILENCE", 0.02)
    monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", 0.0)
    with shown_progress() as progress:
        for done in range(4):
            progress("scoring", done, 4)
            time.sleep(0.1)
        progress("scoring", 4, 4)
    first, *between, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("scoring 0/4", "scoring 4/4")
    assert len(between) > 5
    assert all(re.fullmatch(r"scoring [0-3]/4, 0 s so far(, \d s left)?", line) for line in between), between


def run(code, **how):
    """A program of its own, as its standard output is closed or poor in letters."""
    text = f"import sys\nfrom holdfast.cli import main\nsys.argv = {code!r}\nmain()"
    return subprocess.run([sys.executable, "-c", text], stderr=subprocess.PIPE, check=False, **how)


def test_a_command_whose_reader_has_gone_ends_as_it_would_have(tmp_path):
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"{at} ?"}) + "\n" for at in range(9)))
    for more in ([], ["--json"]):
        with subprocess.Popen(["true"], stdin=subprocess.PIPE) as gone:
            gone.wait()
            done = run(["holdfast", "prompts", "show", str(tmp_path / "prompts.jsonl"), *more], stdout=gone.stdin)
        assert (done.returncode, done.stderr) == (0, b"")


def test_letters_that_a_terminal_lacks_are_escaped(tmp_path):
    (tmp_path / "prompts.jsonl").write_text(json.dumps({"prompt": "naïve café ?"}), encoding="utf-8")
    command = ["holdfast", "prompts", "show", str(tmp_path / "prompts.jsonl")]
    done = run(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert b"na\\xefve caf\\xe9 ?" in done.stdout


def test_the_time_left_is_told_once_a_twentieth_is_done(monkeypatch, capsys):
    now = iter(float(second) for second in range(0, 1000, 7))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    lines = console._Lines()
    for done in (0, 1, 14, 15):
        lines("fingerprints", done, 291)
    said = capsys.readouterr().err.splitlines()
    assert [re.sub(r"\d+ s", "N s", line) for line in said] == [
        "fingerprints 0/291",
        "fingerprints 1/291, N s so far",
        "fingerprints 14/291, N s so far",
        "fingerprints 15/291, N s so far, N s left",
    ]
    elapsed, left = (int(number) for number in re.findall(r"(\d+) s ", said[-1]))
    assert left == pytest.approx(elapsed * 276 / 15, abs=1)
    bars = RichProgress(console._TimeLeft())
    task = bars.add_task("fingerprints", total=291)
    bars.update(task, completed=14)
    assert str(bars.columns[0].render(bars.tasks[0])) == ""
    bars.update(task, completed=15)
    assert str(bars.columns[0].render(bars.tasks[0])) != ""


def test_explanations_and_advice_are_left_out_with_quiet_and_results_stay(tmp_path, capsys):
    out = str(tmp_path / "config.toml")
    assert call(["-q", "init", out]) == 0
    assert capsys.readouterr().out == f"Config: {out}\n"
    assert call(["init", str(tmp_path / "other.toml")]) == 0
    assert "run it with" in capsys.readouterr().out
    assert call(["-q", "prompts", "list"]) == 0
    assert "takes the first 32 prompts" not in capsys.readouterr().out


@pytest.mark.parametrize(("columns", "is_wrapped"), [("60", True), ("", False)])
def test_a_pipe_has_the_width_that_columns_sets_and_else_wraps_no_line(columns, is_wrapped, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    show({}, [table("wide", ("a", "b"), [("x" * 80, "y")])], False)
    assert (max(map(len, capsys.readouterr().out.splitlines())) <= 60) is is_wrapped
