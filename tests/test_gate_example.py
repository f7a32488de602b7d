"""The workflow in examples/ is YAML, its commands take their options, and they run on two built-in models."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from holdfast import plan_gate
from holdfast.cli import app, call
from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.pinned import Pins
from holdfast.models.options import GenerateOptions

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
TEXT = (Path(__file__).parents[1] / "examples" / "gate.yml").read_text()
WORKFLOW = yaml.safe_load(TEXT)
ENV = WORKFLOW["env"]
(JOB,) = WORKFLOW["jobs"].values()
STEPS = JOB["steps"]
LINES = [step["run"] for step in STEPS if step.get("run", "").startswith("holdfast ")]
CHECK, BEFORE, AFTER, COMPARE = LINES
JUDGES = [ENV["JUDGE"], *re.findall(r"^  # JUDGE: (.*)$", TEXT, re.MULTILINE)]
"""The judge of the workflow, and those that it has in comments."""
SMALL = {
    "BEFORE": "testbed:aligned",
    "AFTER": "testbed:aligned-moe",
    "HARMFUL": "testbed:harmful_heldout#first=8",
    "HARMLESS": "testbed:harmless#first=4",
    "QUESTIONS": "testbed:questions#first=4",
    "TOKENS": "8",
}


def words(line, **changed):
    """The line as a shell splits it, its variables filled in from the workflow."""
    env = ENV | changed
    return shlex.split(re.sub(r"\$(\w+)", lambda found: str(env[found.group(1)]), line))


def position(text):
    """The place of the step that has this text in its command or its action."""
    return next(place for place, step in enumerate(STEPS) if text in step.get("run", "") + step.get("uses", ""))


def test_the_hold_is_checked_and_two_checkpoints_are_evaluated_and_compared():
    assert [words(line)[1] for line in LINES] == ["check", "evaluate", "evaluate", "compare"]
    assert ENV["BEFORE"] != ENV["AFTER"]
    assert STEPS[position("holdfast check")]["if"] == "env.MASK != ''"


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("line", LINES)
def test_every_command_takes_its_options_with_each_judge(line, judge):
    _, bound, ignored = app.parse_args(words(line, JUDGE=judge)[1:], exit_on_error=False, print_error=False)
    assert bound.arguments
    assert ignored == {}


def test_there_is_a_path_without_a_judge_and_two_with_one():
    assert [one.split()[1].partition(":")[0] for one in JUDGES] == ["refusal", "Qwen/Qwen3Guard-Gen-0.6B", "api"]
    assert "--api.base-url" in JUDGES[2]


def test_its_conditions_parse_and_both_evaluations_are_of_one_suite_at_the_default_length():
    first, second, compared = map(words, (BEFORE, AFTER, COMPARE))
    conditions = [compared[place + 1] for place, word in enumerate(compared) if word == "--fail-if"]
    measures = [parse_condition(one).measure for one in conditions]
    assert measures == ["refusal", "over_refusal", "over_refusal/questions", "utility", "coherence", "refusal"]
    assert first[3:-1] == second[3:-1]
    assert [first[-1], second[-1]] == compared[2:4]
    assert ENV["TOKENS"] == GenerateOptions().max_new_tokens


def test_torch_for_cpus_is_installed_first_and_the_released_model_is_evaluated_once():
    assert position("download.pytorch.org/whl/cpu") < position('pip install "$HOLDFAST"')
    restored, kept = position("actions/cache/restore"), position("actions/cache/save")
    assert restored < position('holdfast evaluate "$BEFORE"') < kept < position('holdfast evaluate "$AFTER"')
    assert {STEPS[kept - 1]["if"], STEPS[kept]["if"]} == {"steps.before.outputs.cache-hit != 'true'"}


def test_another_model_version_or_installation_has_another_cached_evaluation():
    key = STEPS[position("actions/cache/restore")]["with"]["key"]
    for part in ("env.BEFORE }}", "env.BEFORE_REVISION }}", "steps.holdfast.outputs.version }}", "hashFiles("):
        assert part in key
    assert position("holdfast --version") < position("actions/cache/restore")
    assert "\n" not in key, "a folded key is one line"


def test_torch_and_transformers_are_pinned_to_versions_that_holdfast_takes():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    taken = {one.name: one.specifier for one in map(Requirement, project["dependencies"])}
    for name in ("torch", "transformers"):
        package, _, pinned = ENV[name.upper()].partition("==")
        assert package == name
        assert pinned in taken[name]


def test_its_header_names_as_many_prompts_as_plan_gate():
    header = TEXT.partition("\nname:")[0]
    found = map(
        words(COMPARE).__getitem__, (place + 1 for place, one in enumerate(words(COMPARE)) if one == "--fail-if")
    )
    conditions = [one for one in found if ".unscored" not in one]
    for asked, sentence in (
        (conditions, "Take about {} prompts of each kind"),
        (["refusal < before - 0.05"], "fewer: {} with a change of 0.05 allowed"),
        (["utility < before - 0.03"], "and {} with 0.03"),
    ):
        number = int(re.search(r"[Tt]ake ([\d,]+) prompts", str(plan_gate(asked)))[1].replace(",", ""))
        assert sentence.format(number) in " ".join(header.replace("\n#", "").split())


def test_the_job_shows_the_markdown_whatever_came_before():
    show = STEPS[position("GITHUB_STEP_SUMMARY")]
    assert "cat gate.md" in show["run"]
    assert show["if"] == "always()"


def test_the_job_removes_writes_and_uploads_the_same_three_reports():
    reports = {"gate.xml", "gate.md", "gate.html"}
    assert {*words(STEPS[position("rm -f")]["run"])} == {"rm", "-f", *reports}
    assert reports <= {*words(COMPARE)}
    assert {*STEPS[position("upload-artifact")]["with"]["path"].split()} == {*reports, "before.json", "after.json"}


def test_the_path_without_a_judge_runs_on_two_built_in_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [call(words(line, **SMALL)[1:]) for line in (BEFORE, AFTER, COMPARE)] == [0, 0, 3], "of 8 prompts"
    assert (tmp_path / "gate.html").is_file()
    title = (tmp_path / "gate.md").read_text().splitlines()[0]
    assert title == "## holdfast compare: the gate cannot decide 5 of 6 conditions with these prompts"


def test_both_models_are_pinned_by_their_names_and_can_be_by_their_fingerprints():
    assert {"--strict", "--before-model", "--after-model"} <= {*words(COMPARE)}
    (pins,) = re.findall(r"^  # PINS: (.*)$", TEXT, re.MULTILINE)
    _, bound, ignored = app.parse_args(words(COMPARE, PINS=pins)[1:], exit_on_error=False, print_error=False)
    assert bound.arguments["sides"].pinned == Pins(*["0123456789ab"] * 2, ENV["BEFORE"], ENV["AFTER"])
    assert ignored == {}


def test_the_conditions_with_a_judge_parse_too():
    conditions = re.findall(r"^  # (?:LOSS|UNSCORED): (.*)$", TEXT, re.MULTILINE)
    assert [parse_condition(one).measure for one in conditions] == ["asr", "asr"]
