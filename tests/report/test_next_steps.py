"""The page says what to do next, by the verdicts of the run."""

from holdfast.report.in_short import in_short
from holdfast.report.next_steps import next_steps
from holdfast.report.page import render_page
from holdfast.report.summary import cards
from holdfast.report.verdicts import verdicts_of
from tests.report.sample import full_report, rate, read


def steps(report):
    record = read(report)
    verdicts = verdicts_of(record)
    return next_steps(record, in_short(record, cards(record), verdicts), verdicts)


def test_a_patch_that_works_is_applied_a_hold_that_does_not_is_replaced_and_a_gate_comes_last():
    commands = [step.command.split(" MODEL")[0] for step in steps(full_report())]
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
    assert any("Add a smaller number" in step.text for step in steps(report))
    report["verify"]["coherence"] = {"top": [rate(200, 200).__dict__] * ratios}
    assert not any("Add a smaller number" in step.text for step in steps(report))
