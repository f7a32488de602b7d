"""Benchmarks that need what is not here run all the same: on tiny shapes, or to say what they would do."""

import io
import json
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.xdist_group("benchmarks")


def run(script: str, *arguments: str) -> dict:
    """The object that a benchmark prints last."""
    printed, path = io.StringIO(), [str(ROOT / "benchmarks"), *sys.path]
    with (
        patch.object(sys, "argv", [script, *arguments]),
        patch.object(sys, "path", path),
        redirect_stdout(printed),
        pytest.raises(SystemExit) as ended,
    ):
        runpy.run_path(str(ROOT / "benchmarks" / script), run_name="__main__")
    assert ended.value.code == 0
    return json.loads(printed.getvalue().splitlines()[-1])


@pytest.fixture(scope="module")
def tiny() -> dict:
    return run("gpu.py", "--device", "cpu", "--tiny", "--flops", "0.001")


@pytest.mark.parametrize("model", ["Llama 8B", "Qwen3 30B-A3B"])
def test_the_benchmark_for_gpus_measures_all_of_it_on_tiny_shapes(tiny, model):
    figures = tiny["figures"][model]
    assert figures["scoring"].keys() >= {"judge_s", "forward_s", "backward_s", "backward_mfu", "peak_gb"}
    assert all(value > 0 for value in figures["scoring"].values())
    assert figures["selection"]["seconds"] > 0
    assert set(figures["steps"]) == {"SET", "SPA", "full", "LoRA", "masked"}
    assert all(arm["step_s"] > 0 for arm in figures["steps"].values())
    assert tiny["pass"] is None  # no bar counts


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and it would measure")
def test_without_a_gpu_the_benchmark_says_what_it_would_measure():
    found = run("gpu.py")
    assert [one["model"] for one in found["figures"]["would_measure"]] == ["Llama 8B", "Qwen3 30B-A3B"]
    assert found["bars"]
    assert found["pass"] is None


@pytest.mark.slow
def test_the_benchmark_on_scaling_prints_the_first_mode_that_fits(capsys):
    figures = run("scaling.py", "--models", "Llama 1B")["figures"]["Llama 1B"]
    assert set(figures) == {"score", "SET", "SPA", "SPA by LoRA"}
    assert figures["SPA"]["1"]["mode"] == "one device", "16 bytes for each of 1.2e9 weights are 20 of 80 GB"
    assert figures["SPA"]["1"]["device"] > 16 * 1.2e9
    assert figures["SET"]["64"]["seconds"] == pytest.approx(figures["SET"]["8"]["seconds"] / 8, rel=0.01)


@pytest.fixture(scope="module")
def recording() -> dict:
    return runpy.run_path(str(ROOT / "benchmarks" / "recording.py"))


def test_the_recording_runs_the_commands_of_the_quick_start(recording):
    commands = recording["quick_start"]((ROOT / "README.md").read_text(encoding="utf-8"))
    assert [one.split()[1] for one in commands] == [
        "evaluate", "score", "select", *["adapt"] * 3, "check", *["evaluate"] * 3, *["compare"] * 3,
    ]  # fmt: skip
    assert "--out plain" in commands[3], "a command over several lines is whole"


@pytest.mark.slow
def test_the_recording_runs_a_command_on_the_given_model(recording, tmp_path):
    assert "q_proj" in recording["run"]('holdfast sites \\\n    "$MODEL"', "testbed:aligned", tmp_path)


def test_the_recording_refuses_a_command_that_fails(recording, tmp_path):
    with pytest.raises(SystemExit, match="exit code 2"):
        recording["run"]('holdfast run "$MODEL"', "none.toml", tmp_path)


def test_the_picture_counts_the_lines_that_it_leaves_out_and_loads_nothing(recording):
    printed = "".join(f"row {number}\n" for number in range(30)) + "Mask: <mask>\n"
    svg = recording["draw"]([("holdfast select", printed)], "a session").replace("&#160;", " ")
    assert "row 7<" in svg
    assert "row 8<" not in svg
    assert "... 22 more lines" in svg
    assert "Mask: &lt;mask&gt;" in svg
    assert recording["shorten"](printed + "└──┘\n")[-1].startswith("\x1b[2m... 24 more"), "a table's edge is no news"
    assert 'url("http' not in svg, "fonts are those of the reader's machine"


def cells(page: str) -> list[list[str]]:
    """The rows of a page's table, below its header."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return rows[2:]


def test_the_page_on_convergence_ends_in_what_its_table_shows():
    text = (ROOT / "docs" / "results" / "convergence.md").read_text(encoding="utf-8")
    made = load_benchmark("convergence.py")["page"]
    assert "the IoU falls from 0.347 at 64 to 0.327 at 128" in " ".join(text.split())
    curve = [
        {"num_prompts": size, "iou": iou, "rank_correlation": 0.5} for size, iou in ((8, 0.1), (16, 0.2), (32, 0.21))
    ]
    rising = {"random_iou": 0.005, "orders": [curve]}
    assert "From 16 prompts in each half on" in made(rising)
    assert "falls" not in made(rising)


def test_a_size_that_was_not_measured_is_in_the_table_on_objectives_and_not_in_its_conclusion():
    made, one = load_benchmark("objectives.py")["page"], {"seconds": 1.0, "rank_correlation": 0.5, "random_iou": 0.005}
    found = {"mine": {"16": [{**one, "iou": 0.2}], "32": [{**one, "iou": 0.1}]}, "other": {"16": [{**one, "iou": 0.4}]}}
    page = made({**found, "none": {"16": "all alike"}})
    assert "| none | 16 |  | not measured: all alike |  |  |" in page
    assert "none" not in page.split("## Conclusion")[1]
    assert "in 1 of 1 doublings the IoU fell" in " ".join(page.split())


def load_benchmark(script: str) -> dict:
    """The functions of a benchmark, without running it."""
    return runpy.run_path(str(ROOT / "benchmarks" / script))
