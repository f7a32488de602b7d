import pytest

from holdfast.outcomes import Rate
from holdfast.report import tuning_claims
from holdfast.report.schema import rate_json
from tests.report.sample import full_report, read

YES, NO, UNSURE, WAITING, LEFT_OUT = "holds", "does not hold", "inconclusive", "not measured yet", "left out"


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(1.01, 1.049, YES), (1.01, 1.051, UNSURE), (1.051, 1.2, NO), (0.7, 0.8, YES), (0.9, 1.05, UNSURE)],
)
def test_perplexity_may_rise_by_5_percent_with_the_whole_interval(low, high, says):
    report = full_report()
    report["enhance"]["after"]["perplexity_ratio"] |= {"value": (low + high) / 2, "low": low, "high": high}
    verdict = tuning_claims.enhance_keeps_perplexity(read(report))
    assert (verdict.claim, verdict.answer) == ("SET raises perplexity by at most 5%", says)


def test_a_perplexity_without_a_paired_interval_decides_nothing_and_one_that_is_missing_is_waited_for():
    report = full_report()
    del report["enhance"]["after"]["perplexity_ratio"]
    verdict = tuning_claims.enhance_keeps_perplexity(read(report))
    assert (verdict.answer, verdict.finding) == (UNSURE, "")
    assert "the change has no interval" in verdict.undecided
    report["enhance"]["after"]["perplexity"] = None
    assert tuning_claims.enhance_keeps_perplexity(read(report)).answer == WAITING
    report["provenance"] = {"config": {"suite": {"harmful": ["some"], "questions": None}}}
    assert tuning_claims.enhance_keeps_perplexity(read(report)).answer == LEFT_OUT


def test_a_rate_that_could_not_be_scored_is_waited_for_although_its_prompts_are_paired():
    report = full_report()
    assert report["enhance"]["after"]["paired"]["utility"]["n"], "the pairs are there"
    report["enhance"]["after"]["utility"] = rate_json(Rate(None, None, None, 0, 240))
    assert tuning_claims.enhance_keeps_utility(read(report)).answer == WAITING
