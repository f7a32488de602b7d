"""The page says what to do next, by the verdicts of the run."""

import shlex

from holdfast.report.in_short import in_short
from holdfast.report.next_steps import WIDTH, in_lines, next_steps
from holdfast.report.page import render_page
from holdfast.report.summary import cards
from holdfast.report.verdicts import verdicts_of
from tests.report.sample import full_report, rate, read


def steps(report):
    record = read(report)
    verdicts = verdicts_of(record)
    return next_steps(record, in_short(record, cards(record), verdicts), verdicts)


def test_a_patch_that_works_is_applied_a_hold_that_does_not_is_replaced_and_a_gate_comes_last():
    commands = [step.command.split(" MODEL")[0].replace(" \\\n   ", "") for step in steps(full_report())]
    assert commands[:2] == ["holdfast patch apply", "holdfast adapt"]
    assert "--method mixed" in steps(full_report())[1].command
    assert commands[-1].startswith("holdfast compare before.json after.json --fail-if")


def test_a_hold_that_keeps_safety_is_used_on_the_own_task():
    report = full_report()
    report["adapt"]["mask"] = "locate/masks/top.safetensors"
    report["adapt"]["protected"] = report["adapt"]["start"] | {"task": report["adapt"]["protected"]["task"]}
    report["adapt"]["protected"]["asr"] = rate(0, 48000).__dict__
    report["adapt"]["start"] = report["adapt"]["start"] | {"asr": rate(0, 48000).__dict__}
    found = steps(report)
    assert any("--mask locate/masks/top.safetensors" in step.command for step in found)
    assert not any("--method mixed" in step.command for step in found)


def test_a_run_on_a_built_in_model_leads_to_the_own_model():
    report = full_report()
    assert not any("holdfast init" in step.command for step in steps(report))
    report["locate"]["model"] = "testbed:aligned"
    assert steps(report)[0].command.startswith("holdfast init")


def test_an_incomplete_run_leads_to_the_command_that_goes_on_alone():
    (step,) = steps(full_report() | {"missing": ["adapt/protected"]})
    assert step.command == "", "a run whose command is not known has none to copy"
    assert "The command that started it makes the 1 missing piece" in step.text
    assert "What to do next" not in render_page(read({"schema": 1}))
    assert "What to do next" in render_page(read(full_report()))


def test_a_run_that_is_not_complete_is_first_to_be_finished():
    report = full_report()
    del report["adapt"]["protected"]
    report["missing"] = ["adapt held fast"]
    report["goes_on"] = "holdfast run set.toml --out run"
    (step,) = steps(report)
    assert step.command == "holdfast run set.toml --out run"
    assert step.text == (
        "Finish the run, unless it still goes on. This command makes the 1 missing piece, and keeps all others."
    )
    assert "What to do next" in render_page(read(report))


def test_where_noise_broke_the_text_weaker_noise_is_advised():
    report = full_report()
    ratios = len(report["verify"]["noise_ratio"])
    flat = [rate(100, 200).__dict__] * ratios
    report["verify"] |= dict.fromkeys(("top", "random", "bottom"), flat)
    report["verify"]["coherence"] = {"top": flat}
    assert any("Add a ratio below it, such as 0.19, to the setting" in step.text for step in steps(report))
    report["verify"]["coherence"] = {"top": [rate(200, 200).__dict__] * (ratios - 1) + [rate(100, 200).__dict__]}
    report["verify"]["top"] = [rate(0, 200).__dict__] * (ratios - 1) + [rate(110, 200).__dict__]
    assert any("Add a ratio between " in step.text for step in steps(report))
    report["verify"]["coherence"] = {"top": [rate(200, 200).__dict__] * ratios}
    assert not any("Add a ratio" in step.text for step in steps(report))


def run_of(**config):
    """The full report of a run in the folder `real`, with such settings."""
    return full_report() | {"folder": "real", "provenance": {"config": config}}


def test_commands_name_the_files_of_the_run():
    refusals, task = "examples/real/harmful_train.jsonl", "examples/real/task_train.jsonl"
    report = run_of(
        model="./models/aligned/model", unaligned="./models/base", refusals={"refusals": refusals}, task=task
    )
    patch, mixed = (shlex.split(step.command.replace("\\\n", "")) for step in steps(report)[:2])
    assert patch[3:5] == ["./models/base", "real/enhance/top/patch.safetensors"]
    assert mixed[2] == "./models/aligned/model"
    assert mixed[mixed.index("--safety") + 1] == refusals
    assert mixed[mixed.index("--task") + 1] == task
    assert "stands for" not in steps(report)[1].text
    unnamed = steps(full_report())[1]
    assert "--safety refusals.jsonl" in unnamed.command.replace("\\\n    ", "")
    assert "refusals.jsonl stands for harmful prompts with refusals, and task.jsonl stands for" in unnamed.text


def test_a_file_at_the_root_of_a_disk_is_named_without_its_folders():
    report = run_of(refusals={"refusals": "/home/somebody/refusals.jsonl"}, task="/home/somebody/task.jsonl")
    assert "/home" not in steps(report)[1].command


def test_a_long_command_is_broken_before_its_options_and_stays_the_same_command():
    command = (
        'holdfast compare before.json "my after.json" --fail-if "refusal < before - 0.05" --json ' + "--out " + "x" * 90
    )
    broken = in_lines(command)
    assert len(broken.splitlines()) > 2
    assert all(len(line) <= WIDTH for line in broken.splitlines()[:-1])
    assert shlex.split(broken.replace("\\\n", "")) == shlex.split(command)
    assert in_lines("holdfast demo --out demo") == "holdfast demo --out demo"


def test_more_prompts_are_not_advised_where_they_would_decide_nothing():
    report = full_report()
    full = rate(480, 480).__dict__
    report["verify"]["baseline"] = full  # attack success cannot rise, so that noise decides nothing
    assert not any("Does safety depend" in step.text for step in steps(report))


def test_a_command_on_the_page_wraps_or_scrolls_and_is_not_cut():
    style = render_page(read(full_report())).partition("</style>")[0]
    (rule,) = [line for line in style.splitlines() if line.startswith(".next code")]
    assert "white-space: pre-wrap" in rule
    assert "overflow-x: auto" in rule


def test_a_patch_that_costs_over_refusal_is_advised_with_its_cost():
    assert "safe prompts" not in steps(full_report())[0].text
    report = full_report()
    for arm, refused in (("before", 0), ("after", 200)):
        report["enhance"][arm]["groups"]["over_refusal/questions"] = rate(refused, 240).__dict__
    assert "Also refuses more safe prompts" in render_page(read(report))
    assert "But it also refuses more safe prompts. To train one that refuses fewer" in steps(report)[0].text
