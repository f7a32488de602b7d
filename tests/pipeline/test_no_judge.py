"""Runs, plans and bakeoffs without a judge: safety is what the refusal rules say, and attack success is missing."""

import json

import pytest
import torch

from holdfast.artifacts import load_evaluation, load_scores
from holdfast.cli import call
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.bakeoff import bakeoff
from holdfast.pipeline.bakeoff_config import BakeoffConfig
from holdfast.pipeline.options import ScoreFiles, ScoringOptions, SelectOptions, SuiteFiles, VerifyOptions
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_template import to_toml
from holdfast.pipeline.run.pieces import locate
from holdfast.pipeline.run.run import run
from holdfast.plan.stages import Planned
from holdfast.report.bakeoff import bakeoff_table, read_bakeoff, render_bakeoff
from tests.pipeline.small import located_alone, small_config

pytestmark = pytest.mark.xdist_group("no_judge")
GIVEN = ScoringOptions(objective="refusal_likelihood")
SHORT = GenerateOptions(max_new_tokens=4)


def without_judge(folder, *parts, **changes):
    """A small run that names no judge and scores by the refusals of the calibration set."""
    calibration = ScoreFiles(
        harmful=small_config(folder).refusals.refusals, utility=small_config(folder).calibration.utility
    )
    changes = {"judge": "refusal", "score": GIVEN, "calibration": calibration, "generate": SHORT} | changes
    return located_alone(folder, *parts, **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("no_judge")
    arms = ("plain", "protected")
    config = without_judge(folder, "adapt", adapt_arms=arms)
    config = config.model_copy(update={"verify": VerifyOptions(ratios=(2.0,), draws=1, limit=2)})
    return config, folder / "out", run(config, folder / "out")


def test_a_run_without_a_judge_measures_refusals_and_no_attack_success(finished):
    _, out, report = finished
    assert report["safety"] == "not_refused"
    assert report["verify"]["baseline"]["n"] == 16
    assert len(report["verify"]["top"]) == 1
    for arm in ("start", "plain", "protected"):
        suite = report["adapt"][arm]
        assert (suite["asr"]["value"], suite["asr"]["n"]) == (None, 0)
        assert suite["not_refused"]["value"] == pytest.approx(1 - suite["refusal"]["value"])
        assert suite["over_refusal"]["n"] == suite["utility"]["n"] == 8
        assert suite["perplexity"] > 1
    assert report["adapt"]["plain"]["paired"]["not_refused"]["n"] == 16
    evaluation = load_evaluation(out / "adapt/start.json")
    assert evaluation.made_by["judge"] is None
    assert {answer.measure for answer in evaluation.answers} >= {"refusal", "over_refusal", "utility"}
    assert load_scores(out / "locate/scores.safetensors").made_by["objective"] == "refusal_likelihood"


def test_its_page_says_what_safety_is_and_that_attack_success_is_missing(finished):
    _, out, _ = finished
    page = (out / "report.html").read_text()
    assert "attack success was not measured" in page
    assert "Harmful prompts not refused" in page
    assert "the whole interval of the change of the share of harmful prompts not refused is below 0.01" in page
    assert "A judge decides attack success" not in page


def test_the_same_config_goes_on_where_it_was(finished):
    config, out, report = finished
    again = run(config, out)
    assert again["adapt"] == report["adapt"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({}, "objective judge_gradient needs a judge with a gradient.*policy_gradient, whose reward is 1"),
        ({"score": {"objective": "mix"}}, "objective mix needs a judge with a gradient"),
        ({"score": {"objective": "utility"}}, "score.objective utility is no measure of safety"),
    ],
)
def test_an_objective_that_takes_a_judges_gradient_is_refused_by_the_config(tmp_path, setting, message):
    content = without_judge(tmp_path).model_dump(mode="json", exclude={"judge", "score"})
    assert RunConfig.model_validate(content | {"score": {"objective": "policy_gradient"}}).judge == "refusal"
    with pytest.raises(ValueError, match=message):
        RunConfig.model_validate(content | setting)


def test_given_refusals_are_scored_as_the_config_says(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("holdfast.pipeline.scoring.score_model", lambda spec, progress: asked.append(spec))
    monkeypatch.setattr("holdfast.pipeline.run.pieces.cut", lambda *arguments: None)
    monkeypatch.setattr("holdfast.pipeline.run.pieces.locate_section", lambda *arguments: {})
    table = {"objective": "refusal_likelihood", "method": "snip", "token_budget": 64}
    config = without_judge(tmp_path).model_copy(update={"score": ScoringOptions.model_validate(table)})
    locate(config, config.model, tmp_path / "locate")
    refusals, utility = asked
    assert refusals.options == config.score
    assert utility.options == ScoringOptions(objective="utility", token_budget=64)
    assert (refusals.prompts, utility.prompts) == (config.calibration.harmful, config.calibration.utility)
    assert refusals.judge is None


def test_a_plan_reads_the_size_of_batches_of_given_refusals(tmp_path):
    def need(budget):
        options = ScoringOptions(objective="refusal_likelihood", token_budget=budget)
        planned = Planned(without_judge(tmp_path).model_copy(update={"score": options}), torch.device("cpu"))
        return planned.parts()["locate"]().need.device

    assert need(32) < need(4096)


def test_a_plan_without_a_judge_has_the_stages_and_no_judge(tmp_path):
    planned = Planned(without_judge(tmp_path), torch.device("cpu"))
    assert planned.judge_bytes() == 0
    stages = [make() for make in planned.parts().values()]
    assert [stage.name for stage in stages] == ["locate", "evaluate"]


def test_a_template_shows_the_judge_as_optional(tmp_path):
    text = to_toml(without_judge(tmp_path))
    assert "# Optional. A causal guard model" in text
    assert '# judge = "refusal"' in text


@pytest.mark.slow
def test_a_bakeoff_without_a_judge_measures_what_is_not_refused(tmp_path):
    files = small_config(tmp_path)
    config = BakeoffConfig(
        model=files.model,
        calibration=files.calibration,
        refusals=files.refusals.refusals,
        suite=SuiteFiles(harmful=files.suite.harmful, questions=files.suite.questions),
        methods=("esi",),
        objectives=("refusal_likelihood",),
        selectors=("top",),
        fractions=(0.01,),
        limit=2,
        draws=1,
        groups=3,
        group_draws=2,
        branches=4,
        calibrate=GenerateOptions(max_new_tokens=1),
        generate=SHORT,
        select=SelectOptions(),
    )
    result = bakeoff(config, tmp_path / "out")
    (point,) = result["rows"][0]["points"]
    assert set(point) == {"fraction", "not_refused", "utility"}
    assert "not refused under noise, 0.01" in bakeoff_table(read_bakeoff(result)).header
    page = render_bakeoff(read_bakeoff(result))
    assert "judged by the refusal rules" in page
    assert "attack success" not in page.lower()
    with pytest.raises(ValueError, match="objective judge_gradient needs a judge with a gradient"):
        BakeoffConfig.model_validate(config.model_dump(exclude={"objectives"}))


@pytest.fixture
def score(tmp_path):
    prompts = small_config(tmp_path).calibration.harmful
    out = tmp_path / "scores.safetensors"

    def arguments(*more, model="testbed:unaligned"):
        return ["score", model, "--prompts", prompts, "--out", str(out), *more]

    return arguments


@pytest.mark.parametrize("judge", [[], ["--judge", "refusal"]])
def test_score_without_a_guard_names_what_to_do_before_a_model_is_looked_for(score, capsys, judge):
    assert call(score(*judge, model="/no/such/model")) == 2
    said = capsys.readouterr().err
    assert "objective judge_gradient needs a judge with a gradient, and the refusal rules have none" in said
    assert "refusal_likelihood" in said


def test_options_of_a_guard_beside_the_rules_are_refused(score, capsys):
    assert call(score("--objective", "policy_gradient", "--guard.safe", "ok")) == 2
    assert "--guard options, and no judge is a guard model" in capsys.readouterr().err


def test_the_rules_are_the_reward_of_a_policy_gradient(score, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("holdfast.judge.refusal.is_refusal", lambda response: len(response) % 2 == 0)
    given = score("--objective", "policy_gradient", "--generate.max-new-tokens", "12", "--method", "snip", "--json")
    assert call(given) == 0
    assert json.loads(capsys.readouterr().out)["unit"].startswith("probability of refusal")
    made_by = load_scores(tmp_path / "scores.safetensors").made_by
    assert (made_by["objective"], made_by["judge"]["name"]) == ("policy_gradient", "refusal")


def test_the_rules_are_no_second_judge(tmp_path, capsys):
    asked = ["--harmful", small_config(tmp_path).suite.harmful[0], "--out", str(tmp_path / "e.json")]
    assert call(["evaluate", "none", *asked, "--judge", "testbed:guard", "--second-judge", "refusal"]) == 2
    assert "a second judge says safe or unsafe, and the refusal rules" in capsys.readouterr().err
