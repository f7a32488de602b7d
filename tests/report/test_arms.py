import pytest

from holdfast.report.arms import Arm, measures_of
from tests.report.sample import full_report


@pytest.mark.parametrize("section", ["enhance", "adapt"])
def test_groups_stand_behind_their_measure(section):
    suites = [entry for entry in full_report()[section].values() if isinstance(entry, dict) and "asr" in entry]
    found = measures_of([Arm("top", "any", one) for one in suites if "perplexity" in one])
    assert found[:3] == ["asr", "asr/heldout", "asr/seen"]
    assert found.index("borderline") == found.index("over_refusal") + 1
