from holdfast.report.arms import Arm
from holdfast.report.folded import same_in_all, same_under_noise
from holdfast.report.page import page_context, render_page
from holdfast.report.schema import rate_json
from tests.report.sample import full_report, rate, read, read_noise, read_suite, suite


def arms(*refused):
    return [Arm("top", f"arm {at}", read_suite(suite(0, 0, count, 240, 3.0))) for at, count in enumerate(refused)]


def test_a_measure_that_is_the_same_in_every_arm_is_a_line():
    assert same_in_all(arms(0, 0, 0), "over_refusal") == "Over-refusal 0.00 [0.00, 0.02] n=240"
    assert same_in_all(arms(0, 1), "over_refusal") is None
    assert same_in_all(arms(0), "over_refusal") is None
    assert same_in_all(arms(0, 0), "task") is None


def test_a_figure_that_is_all_zero_is_folded_into_one_line_that_says_so():
    report = full_report()
    for arm in ("start", "plain", "protected", "safety_only", "random_protected"):
        report["adapt"][arm]["over_refusal"] = rate_json(rate(0))
    shown = page_context(read(report))
    assert "Over-refusal" not in [figure.name for figure in shown["forests"]["adapt"]]
    assert "Over-refusal" in [figure.name for figure in shown["forests"]["enhance"]]
    line = "Not drawn, because it is the same in every arm: Over-refusal 0.00 [0.00, 0.02] n=240."
    assert render_page(read(report)).count(line) == 1
    assert "Not drawn" not in render_page(read(full_report()))


def test_noise_that_changes_nothing_is_a_line():
    report = full_report()
    flat = [rate_json(rate(240))] * 5
    utility = {"baseline": rate_json(rate(480, 480)), "top": flat, "safety_only": flat, "random": flat, "bottom": flat}
    report["verify"]["utility"] = utility
    assert same_under_noise(read_noise(report["verify"]), "utility") == "Utility 1.00"
    assert same_under_noise(read_noise(report["verify"]), "asr") is None
    assert "the same whatever the noise and the mask: Utility 1.00." in render_page(read(report))
    assert [curves.name for curves, _ in page_context(read(report))["noise"]] == ["Attack success"]


def test_a_selection_of_nothing_has_no_map():
    report = full_report()
    for record in report["locate"]["safety_only"]["by_component"]:
        record["selected"] = 0
    page = render_page(read(report))
    assert page.count("No map is drawn: nothing is selected in any layer.") == 1
