"""The workflow in examples/ is YAML, and the commands in it are commands that take those options."""

import re
import shlex
from pathlib import Path

import pytest

from holdfast.cli import app
from holdfast.evaluate.condition import parse_condition

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
WORKFLOW = yaml.safe_load((Path(__file__).parents[1] / "examples" / "gate.yml").read_text())
(JOB,) = WORKFLOW["jobs"].values()
LINES = [step["run"] for step in JOB["steps"] if step.get("run", "").startswith("holdfast ")]


def words(line):
    """The line as a shell splits it, its variables filled in from the workflow."""
    return shlex.split(re.sub(r"\$(\w+)", lambda found: WORKFLOW["env"][found.group(1)], line))


def test_two_checkpoints_are_evaluated_and_compared():
    assert [words(line)[1] for line in LINES] == ["evaluate", "evaluate", "compare"]


@pytest.mark.parametrize("line", LINES)
def test_every_command_takes_its_options(line):
    _, bound, ignored = app.parse_args(words(line)[1:], exit_on_error=False, print_error=False)
    assert bound.arguments
    assert ignored == {}


def test_its_conditions_parse_and_both_evaluations_are_of_one_suite():
    first, second, compared = map(words, LINES)
    conditions = [compared[place + 1] for place, word in enumerate(compared) if word == "--fail-if"]
    assert [parse_condition(one).measure for one in conditions] == ["asr", "over_refusal", "utility", "asr"]
    assert first[3:-1] == second[3:-1]
    assert [first[-1], second[-1]] == compared[2:4]
