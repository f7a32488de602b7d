"""inspect, lm-eval and garak run here and make the logs that are read. `make doors` sets up their environment.

They run in an environment of their own, because their pinned dependencies differ from ours.
"""

import os

import pytest

from holdfast.evaluate.logs.comparing import compare_samples
from holdfast.evaluate.logs.matching import match_samples
from holdfast.evaluate.logs.readers import read_logs
from tests.evaluate.logs.programs.making import make_logs
from tests.evaluate.logs.test_comparing import MADE, refuse_other_p_values

PYTHON = os.environ.get("HOLDFAST_DOORS", "")
pytestmark = [
    pytest.mark.doors,
    pytest.mark.skipif(not PYTHON, reason="`make doors` installs inspect, lm-eval and garak, and runs this"),
]


@pytest.fixture(scope="module")
def just_made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    make_logs(PYTHON, folder)
    return folder


@pytest.mark.parametrize("program", MADE)
def test_logs_that_the_programs_make_are_read_and_tested_as_scipy_does(just_made, program):
    logs = read_logs(*(just_made / path for path in MADE[program]))
    assert logs
    refuse_other_p_values(logs, compare_samples(match_samples(*logs).pairs))


def test_committed_logs_hold_what_the_programs_make(just_made, made):
    for before, after in MADE.values():
        for path in (before, after):
            now, then = (
                {(one.group, one.key): (one.asked, one.numbers) for one in log.samples}
                for folder in (just_made, made)
                for log in read_logs(folder / path, folder / (after if path == before else before))[:1]
            )
            assert now == then


def test_archives_of_inspect_are_read(just_made):
    pytest.importorskip("zstandard", reason="inspect compresses by Zstandard")
    archives = read_logs(*(just_made / f"inspect/{model}-thrice.eval" for model in ("before", "after")))
    texts = read_logs(*(just_made / f"inspect/{model}-thrice.json" for model in ("before", "after")))
    assert archives
    assert texts
    tests = [compare_samples(match_samples(*logs).pairs) for logs in (archives, texts)]
    assert {name: one.p_value for name, one in tests[0].items()} == {
        name: one.p_value for name, one in tests[1].items()
    }
