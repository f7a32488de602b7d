"""A small bakeoff on the built-in models: what it leaves, that it resumes, what it refuses; and the page."""

import pytest

from holdfast.models.options import GenerateOptions
from holdfast.pipeline.bakeoff import bakeoff, contestants
from holdfast.pipeline.bakeoff_config import BakeoffConfig
from holdfast.pipeline.options import ScoreFiles, SuiteFiles
from holdfast.pipeline.run.config_file import load_config
from holdfast.report.bakeoff import bakeoff_table, read_bakeoff, render_bakeoff
from tests.pipeline.small import small_config

pytestmark = pytest.mark.xdist_group("bakeoff")


def small_bakeoff(folder, **changes) -> BakeoffConfig:
    files = small_config(folder)
    config = BakeoffConfig(
        model=files.model,
        judge=files.judge,
        calibration=ScoreFiles(harmful=files.calibration.harmful, utility=files.calibration.utility),
        refusals=files.refusals.refusals,
        suite=SuiteFiles(harmful=files.suite.harmful, questions=files.suite.questions),
        methods=("esi", "wanda", "random"),
        objectives=("judge_gradient", "refusal_likelihood"),
        fractions=(0.01, 0.05),
        seeds=(1,),
        draws=1,
        limit=4,
        group_draws=2,
        branches=4,
        calibrate=GenerateOptions(max_new_tokens=1),
        generate=GenerateOptions(max_new_tokens=6),
    )
    return config.model_copy(update=changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bakeoff")
    config = small_bakeoff(folder)
    return config, folder / "out", bakeoff(config, folder / "out")


def test_every_method_objective_and_selector_has_a_row(finished):
    config, _, result = finished
    assert [row["name"] for row in result["rows"]] == [one.name for one in contestants(config)]
    assert [(row["method"], row["objective"], row["selector"]) for row in result["rows"]] == [
        ("esi", "judge_gradient", "top"),
        ("wanda", None, "top"),
        ("random", None, "top"),
        ("esi", "refusal_likelihood", "top"),
        ("esi", "judge_gradient", "safety_only"),
        ("esi", "judge_gradient", "bottom"),
    ]
    assert result["num_groups"] == 56


def test_methods_without_objective_name_none_and_magnitude_compares_no_halves(tmp_path):
    config = small_bakeoff(tmp_path, methods=("magnitude", "wanda", "esi"), selectors=("top",), judge="refusal")
    assert [one.name for one in contestants(config.model_copy(update={"objectives": ("refusal_likelihood",)}))] == [
        "magnitude, top",
        "wanda, refusal likelihood, top",
        "esi, refusal likelihood, top",
    ]
    given = config.model_dump() | {"methods": ("magnitude", "random", "wanda"), "objectives": ("judge_gradient",)}
    assert [one.name for one in contestants(BakeoffConfig.model_validate(given))][:2] == [
        "magnitude, top",
        "random, top",
    ]


def test_a_row_without_halves_says_that_the_score_uses_no_prompts(finished):
    _, _, result = finished
    row = {**result["rows"][0], "halves": None}
    cells = bakeoff_table(read_bakeoff({**result, "rows": [row]})).rows[0]
    assert cells[3:5] == ("uses no prompts", "uses no prompts")


def test_every_point_is_measured_with_its_interval(finished):
    config, _, result = finished
    for row in result["rows"]:
        assert [point["fraction"] for point in row["points"]] == list(config.fractions)
        assert all(point[name]["n"] > 0 for point in row["points"] for name in ("asr", "utility"))
        assert row["seconds"] > 0


def test_chance_agrees_with_itself_as_chance_does(finished):
    _, _, result = finished
    halves = {row["name"]: row["halves"] for row in result["rows"]}
    chance = halves["random, top"]
    assert abs(chance["rank_correlation"]) < 0.01  # 1.6 million entries: standard error below 0.001
    assert chance["iou"] < 3 * chance["random_iou"]
    assert halves["esi, judge gradient, top"]["iou"] > 10 * chance["random_iou"]


def test_greedy_responses_have_no_seed_and_every_selection_is_held_against_the_first(finished):
    _, _, result = finished
    seeds = {row["name"]: row["seeds"] for row in result["rows"]}
    assert [one["iou"] for one in seeds["esi, judge gradient, top"]] == [1.0]
    assert seeds["esi, judge gradient, bottom"] == seeds["wanda, top"] == []
    first = {row["name"]: row["with_first"] for row in result["rows"]}
    assert first["esi, judge gradient, top"]["iou"] == 1
    assert first["esi, judge gradient, bottom"]["iou"] == 0
    assert first["random, top"]["iou"] < 3 * first["random, top"]["random_iou"]


@pytest.mark.slow
def test_run_again_it_computes_nothing_and_says_the_same(finished, monkeypatch):
    config, out, result = finished
    monkeypatch.setattr("holdfast.pipeline.verifying.evaluate", None)  # would fail if it were called
    monkeypatch.setattr("holdfast.pipeline.scoring.score_halves", None)
    assert bakeoff(config, out) == result


def test_a_folder_of_another_bakeoff_is_refused(finished):
    config, out, _ = finished
    with pytest.raises(ValueError, match="which differ in seed"):
        bakeoff(config.model_copy(update={"seed": 5}), out)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("esi", "none")}, "unknown score 'none'; known: esi, "),
        ({"selectors": ("top", "none")}, "unknown selector 'none'; known: "),
        ({"refusals": None}, "refusal_likelihood needs harmful prompts with safe responses"),
    ],
)
def test_what_is_unknown_is_refused_before_the_work(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        bakeoff(small_bakeoff(tmp_path, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "given"), [("fractions", [2]), ("fractions", []), ("methods", [])])
def test_a_config_with_shares_outside_0_and_1_or_without_contestants_is_refused_by_its_key(name, given, tmp_path):
    config = small_bakeoff(tmp_path).model_dump() | {name: given}
    with pytest.raises(ValueError, match=name):
        BakeoffConfig.model_validate(config)


def test_calibration_prompts_may_not_judge(tmp_path):
    config = small_bakeoff(tmp_path)
    shared = config.suite.model_copy(update={"harmful": (config.calibration.harmful,)})
    with pytest.raises(ValueError, match="calibration"):
        bakeoff(config.model_copy(update={"suite": shared}), tmp_path / "out")


def test_the_page_escapes_names_and_shows_every_row(finished):
    _, _, result = finished
    hostile = {**result["rows"][0], "name": "<script>alert(1)</script>"}
    page = render_bakeoff(read_bakeoff({**result, "rows": [hostile, *result["rows"][1:]]}))
    assert "<script>" not in page
    assert page.count("<svg") >= len(result["rows"])
    assert len(bakeoff_table(read_bakeoff(result)).rows) == len(result["rows"])


def test_the_page_warns_of_near_duplicates(finished):
    _, _, result = finished
    said = "3 of 9 evaluation prompts are near duplicates of calibration prompts"
    for near, shown in ((3, True), (0, False)):
        overlap = {"near_duplicates": near, "evaluation_prompts": 9}
        assert (said in render_bakeoff(read_bakeoff({**result, "overlap": overlap}))) is shown


def test_the_example_is_a_bakeoff(tmp_path):
    from pathlib import Path

    config = load_config(Path(__file__).parents[2] / "examples" / "bakeoff.toml", BakeoffConfig)
    assert config.model == "testbed:aligned"
