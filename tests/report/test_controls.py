import pytest

from holdfast.report.controls import arms_run, controls_of_set, holds_of_spa
from holdfast.report.page import render_page
from tests.report.sample import full_report, read


def run_with(**arms):
    return full_report() | {"provenance": {"config": {f"{stage}_arms": list(names) for stage, names in arms.items()}}}


@pytest.mark.parametrize(
    ("arms", "sentence"),
    [
        (["top"], "This run has no control of SET."),
        (["top", "random"], "Controls tune other weights with the same data and steps."),
        (
            ["top", "refusals_alone"],
            "Controls tune the selected weights on refusals alone, without harmless exchanges.",
        ),
        (
            ["top", "random", "refusals_alone", "full"],
            "Controls tune other weights with the same data and steps, or the selected weights on refusals alone, "
            "without harmless exchanges.",
        ),
    ],
)
def test_only_controls_of_the_config_are_named(arms, sentence):
    report = run_with(enhance=arms)
    assert controls_of_set(read(report)) == sentence
    assert sentence in render_page(read(report))


def test_only_holds_of_the_config_are_named_and_plain_tuning_only_where_it_was_run():
    alone, both = run_with(adapt=["protected"]), run_with(adapt=["plain", "protected", "random_protected"])
    assert holds_of_spa(read(alone)) == "with the selected entries held at their values"
    assert holds_of_spa(read(both)) == (
        "without a hold, and with the selected entries held at their values, and with as many random entries held"
    )
    assert "as well as by plain fine-tuning" in render_page(read(both))
    assert "as well as by plain fine-tuning" not in render_page(read(alone))


def test_without_a_config_the_measured_arms_count():
    report = full_report()
    del report["enhance"]["controls"]["refusals_alone"], report["adapt"]["safety_only"]
    assert arms_run(read(report), "enhance") == ["top", "safety_only", "random", "bottom", "full"]
    assert arms_run(read(report), "adapt") == ["plain", "protected", "random_protected"]
