"""Prints what each part of the package says of the toy objective, whose record is there from the start.

`test_toy_objective.py` runs it in a process of its own.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import torch

import tests.pipeline.toy_objective  # noqa: F401  # first of all, as if its record stood in the table
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
print(
    json.dumps(
        {
            "help": said("score", "--help"),
            "config": RunConfig.model_validate(content | {"score": {"objective": toy}}).score.objective,
            "no choice": sentence(lambda: ScoringOptions(objective="safe")),
            "no relaxation": sentence(lambda: ScoringOptions(objective=toy, relaxation="gumbel")),
            "no judge": sentence(lambda: refuse_judging("utility", "guard", JudgeOptions())),
            "contestants": [one.name for one in entered],
            "made by": dict(load_scores(folder / "scored" / "scores.safetensors").made_by),
            "largest": max(
                float(one.max()) for one in load_scores(folder / "scored" / "scores.safetensors").entries.values()
            ),
            "work": {objective: work(objective) for objective in (toy, "judge_gradient", "policy_gradient")},
            "page": render_page(read(report)),
        }
    )
)
