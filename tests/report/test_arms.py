import pytest

from holdfast.report.arms import Arm, measures_of
from holdfast.report.schema import rate_json
from tests.report.sample import full_report, rate, read_suite


@pytest.mark.parametrize("section", ["enhance", "adapt"])
def test_categories_stand_behind_all_totals(section):
    suites = [entry for entry in full_report()[section].values() if isinstance(entry, dict) and "asr" in entry]
    found = measures_of([Arm("top", "any", read_suite(one)) for one in suites if "perplexity" in one])
    assert found[-2:] == ["asr/heldout", "asr/seen"]
    assert found.index("asr") < found.index("utility") < found.index("cut_off/all")
    assert found.index("borderline") == found.index("over_refusal") + 1


def measures(section="enhance", **groups):
    """The measures of two arms with these groups, each by (count, n)."""
    suites = [full_report()[section][name] for name in ("before", "after")]
    for one in suites:
        one["groups"] = {name.replace("__", "/"): rate_json(rate(*found)) for name, found in groups.items()}
        one["over_refusal"], one["borderline"] = rate_json(rate(12)), rate_json(rate(50, 200))
    return measures_of([Arm("start", "before", read_suite(suites[0])), Arm("top", "top", read_suite(suites[1]))])


def test_a_set_of_one_category_has_one_row():
    assert "borderline/xstest" not in measures(borderline__xstest=(50, 200))
    assert "borderline" in measures(borderline__xstest=(50, 200))


def test_a_set_of_two_categories_has_a_row_for_each_and_one_for_all():
    found = measures(borderline__homonyms=(20, 100), borderline__targets=(30, 100))
    at = found.index("borderline")
    assert found[at : at + 3] == ["borderline", "borderline/homonyms", "borderline/targets"]


def test_refusals_of_questions_are_no_part_of_over_refusal_with_other_prompts():
    assert "over_refusal/questions" in measures(over_refusal__questions=(12, 300))


def test_a_group_without_a_whole_of_its_own_keeps_its_row():
    found = measures(degenerate__all=(7, 960), coherence__all=(9, 240), coherence__harmful=(9, 240))
    assert "degenerate/all" in found
    assert "coherence/all" in found
    assert "coherence/harmful" not in found, "all prompts are harmful here"


def test_one_category_that_is_not_all_in_one_arm_keeps_its_row():
    suites = [full_report()["enhance"][name] for name in ("before", "after")]
    for one in suites:
        one["groups"] = {"borderline/xstest": one["borderline"]}
    assert "borderline/xstest" not in measures_of([Arm("top", "any", read_suite(one)) for one in suites])
    suites[1]["groups"]["borderline/xstest"] = rate_json(rate(3, 100))
    assert "borderline/xstest" in measures_of([Arm("top", "any", read_suite(one)) for one in suites])


def test_the_refusals_of_one_category_are_not_shown_beside_all_that_are_not_refused():
    suite = full_report()["enhance"]["before"]
    suite |= {"not_refused": rate_json(rate(9)), "groups": {"refusal/jailbreakbench": suite["refusal"]}}
    assert not [name for name in measures_of([Arm("start", "before", read_suite(suite))]) if name.startswith("refusal")]
