"""Reading report.json: what is missing, what is null, and what is not as holdfast writes it."""

import pytest

from holdfast.outcomes import Rate
from holdfast.report.records import read_report
from holdfast.report.schema import SCHEMA
from tests.report.sample import full_report, read, read_suite

RATE = {"value": 0.5, "low": 0.1, "high": 0.9, "n": 4}


def test_a_report_of_nothing_has_records_without_numbers():
    report = read({})
    assert (report.safety, report.suites, report.missing, report.locate.by_component) == ("asr", {}, (), ())
    assert report.suite(("enhance", "after")).rates == {}
    assert report.verify.safety.at("top", 0) is None


def test_rates_have_the_names_of_measures_and_of_groups():
    suite = read_suite({"asr": RATE, "task": None, "perplexity_rate": RATE, "groups": {"asr/seen": RATE}})
    assert suite.rates == dict.fromkeys(("asr", "perplexity", "asr/seen"), Rate(0.5, 0.1, 0.9, 4))
    assert suite.groups == ["asr/seen"]
    assert not suite.is_measured("perplexity"), "a suite of that form has the number itself beside the rate"


def test_suites_lie_at_the_paths_of_their_arms():
    report = read(full_report())
    assert report.suite(("enhance", "controls", "random")).rates["utility"].n == 240
    assert ("enhance", "safety_only") in report.suites
    assert ("verify", "top") not in report.suites, "noise has rates and no suites"


def test_a_null_setting_leaves_a_stage_out_and_a_missing_one_does_not():
    def left_out(config):
        return read({"provenance": {"config": config}}).config.stages_left_out

    assert left_out({}) == set()
    assert left_out({"unaligned": None, "task": "a task"}) == {"enhance"}
    assert left_out({"verify": {"ratios": []}, "task": None}) == {"verify", "adapt"}


def test_of_a_suite_the_sets_with_files_are_known_and_without_a_suite_none_is():
    suite = {"harmful": ["some"], "harmless": None, "task": ""}
    assert read({"provenance": {"config": {"suite": suite}}}).config.prompt_sets == {"harmful"}
    assert read({"provenance": {"config": {}}}).config.prompt_sets is None
    assert not read({"provenance": {"config": {"calibration": {"utility": None}}}}).config.has_utility


@pytest.mark.parametrize("content", [{}, {"schema": SCHEMA + 1}])
def test_another_schema_is_refused(content):
    with pytest.raises(ValueError, match=f"this version reads {SCHEMA}; run it again"):
        read_report(content)


def test_a_field_of_another_kind_is_named_in_one_sentence():
    with pytest.raises(ValueError, match=r"^locate\.num_selected of the file is not as holdfast writes it: ") as error:
        read({"locate": {"num_selected": "many"}})
    assert "\n" not in str(error.value)
