"""A new objective is one file and one record: everything that reads objectives then knows it, without another edit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("toy_objective")
ROOT = Path(__file__).parents[2]
TOY = "safe_likelihood"
CODE = """
import contextlib, io, json, sys
from pathlib import Path

import tests.pipeline.toy_objective  # as if its record stood in the table

import torch
from holdfast.artifacts import load_scores
from holdfast.cli import call
from holdfast.pipeline import bakeoff
from holdfast.pipeline.options import JudgeOptions, ScoringOptions, refuse_judging
from holdfast.pipeline.run.config import RunConfig
from holdfast.plan.stages import Planned
from holdfast.progress import silent
from holdfast.report.page import render_page
from tests.pipeline.small import small_config
from tests.pipeline.test_bakeoff import small_bakeoff
from tests.report.sample import full_report, read

folder, toy = Path(sys.argv[1]), "safe_likelihood"

def said(*words):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as errors:
        call(list(words))
    return " ".join((out.getvalue() + errors.getvalue()).replace("│", " ").split())

def sentence(run):
    try:
        run()
    except ValueError as error:
        return str(error)

def work(objective):
    config = small_config(folder, score=ScoringOptions(objective=objective))
    return Planned(config, torch.device("cpu")).parts()["locate"]().need.work.flops

content = small_config(folder).model_dump(mode="json")
competing = small_bakeoff(folder, objectives=("judge_gradient", toy))
entered = bakeoff.contestants(type(competing).model_validate(competing.model_dump()))
contestant = next(one for one in entered if one.objective == toy)
bakeoff.score(competing, contestant, folder / "scored", 0, silent)
report = full_report()
report["locate"]["objective"] = toy
print(json.dumps({
    "help": said("score", "--help"),
    "config": RunConfig.model_validate(content | {"score": {"objective": toy}}).score.objective,
    "no choice": sentence(lambda: ScoringOptions(objective="safe")),
    "no relaxation": sentence(lambda: ScoringOptions(objective=toy, relaxation="gumbel")),
    "no judge": sentence(lambda: refuse_judging("utility", "guard", JudgeOptions())),
    "contestants": [one.name for one in entered],
    "made by": dict(load_scores(folder / "scored" / "scores.safetensors").made_by),
    "largest": max(float(one.max()) for one in load_scores(folder / "scored" / "scores.safetensors").entries.values()),
    "work": {objective: work(objective) for objective in (toy, "judge_gradient", "policy_gradient")},
    "page": render_page(read(report)),
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each part says of the toy, in a process where its record was there from the start."""
    command = [sys.executable, "-c", CODE, str(tmp_path_factory.mktemp("toy"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_help_of_score_lists_it(told):
    assert f"{TOY}: likelihood of the responses that the judge finds safe" in told["help"]


def test_a_config_may_name_it_and_an_unknown_name_is_told_of_it(told):
    assert told["config"] == TOY
    assert TOY in told["no choice"]


def test_what_its_record_does_not_have_is_refused(told):
    assert f"objective {TOY} has no relaxation, but got gumbel" in told["no relaxation"]
    assert TOY in told["no judge"]


def test_a_plan_counts_what_it_needs(told):
    work, gradient, sampled = (told["work"][name] for name in (TOY, "judge_gradient", "policy_gradient"))
    assert 0 < work < gradient  # it differentiates no judge
    assert work < sampled  # and takes one response a prompt


def test_a_bakeoff_enters_and_scores_it(told):
    assert "esi, safe likelihood, top" in told["contestants"]
    assert told["made by"]["objective"] == TOY
    assert told["made by"]["judge"]["name"] == "testbed:guard"
    assert told["largest"] > 0


def test_the_page_has_its_words(told):
    assert "how much the likelihood of safe answers of its own would move" in told["page"]
