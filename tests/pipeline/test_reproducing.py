"""Making an evaluation again: the same result, a result that differs, and inputs that changed."""

import json
from shutil import copytree

import pytest

from holdfast.artifacts import load_evaluation, save_json
from holdfast.errors import GateError
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Evaluation, Rate
from holdfast.pipeline.evaluating import evaluate_recipe
from holdfast.pipeline.options import SuiteFiles
from holdfast.pipeline.recipe import Recipe, inputs_of
from holdfast.pipeline.reproducing import (
    compared,
    load_reproduction,
    recipe_of,
    reproduce,
    reproduction_of,
)
from holdfast.testbed import model_path, prompts_path

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An evaluation of a copy of the aligned model on prompts of its own files, and its record."""
    folder = tmp_path_factory.mktemp("made")
    copytree(model_path("aligned"), folder / "model")
    for name in ("harmful_seen", "questions"):
        rows = prompts_path(name).read_text().splitlines(keepends=True)[:6]
        (folder / f"{name}.jsonl").write_text("".join(rows))
    files = SuiteFiles(harmful=(str(folder / "harmful_seen.jsonl"),), questions=str(folder / "questions.jsonl"))
    short = GenerateOptions(max_new_tokens=8)
    evaluation = evaluate_recipe(
        Recipe(model=str(folder / "model"), judge="testbed:guard", suite=files, generation=short), folder / "e.json"
    )
    save_json(folder / "reproduce.json", reproduction_of(evaluation, "e.json"))
    return folder, evaluation


def again(folder, places=None, suite=None, tolerance=TOLERANCE, **changes):
    record = load_reproduction(folder / "reproduce.json") | changes
    return reproduce(record, recipe_of(record, places or {}, suite or {}), tolerance=tolerance)


def test_the_same_inputs_give_the_same_result(made, tmp_path):
    folder, evaluation = made
    record = load_reproduction(folder / "reproduce.json")
    result = reproduce(record, recipe_of(record, {}, {}), tolerance=0.0, out=tmp_path / "again.json")
    assert result.different == []
    assert (result.responses, result.other_responses, result.other_verdicts) == (12, 0, 0)
    assert result.other_versions == ()
    result.refuse_different()
    assert load_evaluation(tmp_path / "again.json") == evaluation
    assert {measure.name for measure in result.measures} >= {"asr", "refusal/harmful", "utility", "perplexity"}


def test_inputs_may_lie_elsewhere(made, tmp_path):
    folder, _ = made
    copytree(folder / "model", tmp_path / "elsewhere")
    (tmp_path / "q.jsonl").write_bytes((folder / "questions.jsonl").read_bytes())
    result = again(folder, {"model": str(tmp_path / "elsewhere")}, {"questions": str(tmp_path / "q.jsonl")})
    assert result.different == []


def test_a_record_holds_no_text(made):
    folder, evaluation = made
    text = (folder / "reproduce.json").read_text()
    assert not any(answer.prompt in text for answer in evaluation.answers)
    assert not any(len(answer.response) > 3 and answer.response in text for answer in evaluation.answers)


def test_other_prompts_are_refused_before_a_model_is_loaded(made, tmp_path, monkeypatch):
    folder, _ = made
    monkeypatch.setattr("holdfast.pipeline.evaluating.load_checkpoint", lambda *_, **__: pytest.fail("it was loaded"))
    rows = (folder / "questions.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "q.jsonl").write_text("".join(rows[:-1]))
    with pytest.raises(ValueError, match="inputs are not those of the record: questions prompts") as error:
        again(folder, suite={"questions": str(tmp_path / "q.jsonl")})
    assert "harmful prompts" not in str(error.value)


@pytest.mark.parametrize(
    ("places", "which"),
    [({"model": "testbed:unaligned"}, r"model \(\w{12} then, \w{12} now\)"), ({"judge": "refusal"}, "judge")],
)
def test_another_model_or_judge_is_refused_before_any_response(made, places, which, monkeypatch):
    monkeypatch.setattr("holdfast.pipeline.evaluating.evaluate", lambda *_, **__: pytest.fail("it answered"))
    with pytest.raises(ValueError, match=which):
        again(made[0], places)


def test_another_chat_template_is_an_input_that_changed(made, tmp_path, monkeypatch):
    monkeypatch.setattr("holdfast.pipeline.evaluating.evaluate", lambda *_, **__: pytest.fail("it answered"))
    copytree(made[0] / "model", tmp_path / "model")
    template = next((tmp_path / "model").glob("chat_template*"))
    template.write_text("sure " + template.read_text())
    with pytest.raises(ValueError, match="harmful, as rendered for the model"):
        again(made[0], {"model": str(tmp_path / "model")})


def test_a_result_that_differs_is_listed_and_fails(made):
    folder, evaluation = made
    record = json.loads((folder / "reproduce.json").read_text())
    record["results"]["asr"]["value"] += 0.1
    record["answers"][0]["response"] = "other"
    record["answers"][1]["verdict"] = "other"
    record["versions"]["torch"] = "1.0"
    result = compared(record, evaluation, TOLERANCE)
    assert [measure.name for measure in result.different] == ["asr"]
    assert (result.other_responses, result.other_verdicts) == (1, 1)
    assert result.other_versions[0].startswith("torch 1.0 then, ")
    with pytest.raises(
        GateError, match=r"the result differs in 1 of \d+ measures, and 1 of 12 responses and 1 verdicts"
    ):
        result.refuse_different()
    assert compared(record, evaluation, 0.11).different == []


@pytest.mark.parametrize(
    ("name", "then", "now", "tolerance", "is_equal"),
    [
        ("asr", Rate(0.5, 0.4, 0.6, 100), Rate(0.51, 0.4, 0.6, 100), 0.02, True),
        ("asr", Rate(0.5, 0.4, 0.6, 100), Rate(0.53, 0.4, 0.6, 100), 0.02, False),
        ("perplexity", Rate(50.0, 40.0, 60.0, 100), Rate(50.5, 40.0, 60.0, 100), 0.02, True),  # 1% of it
        ("perplexity", Rate(50.0, 40.0, 60.0, 100), Rate(52.0, 40.0, 60.0, 100), 0.02, False),
        ("asr", Rate(0.5, 0.4, 0.6, 100), Rate(0.5, 0.4, 0.6, 90, 10), 0.02, False),  # a failed measurement is no rate
        ("asr", Rate(0.5, 0.4, 0.6, 100), Rate(0.5, 0.4, 0.6, 99, 1), 0.02, True),
        ("asr", Rate(0.5, 0.4, 0.6, 100), Rate(None, None, None, 0, 100), 0.02, False),
    ],
)
def test_equal_means_within_the_tolerance(name, then, now, tolerance, is_equal):
    none = Rate(None, None, None, 0)
    rates = {"asr": now} if name == "asr" else {"perplexity_rate": now}
    evaluation = Evaluation(**{"asr": none, "over_refusal": none, "utility": none, "perplexity": None} | rates)
    record = {"results": {name: {"value": then.value, "low": then.low, "high": then.high, "n": then.n}}, "answers": []}
    (measure,) = compared(record, evaluation, tolerance).measures
    assert measure.is_equal == is_equal


def test_an_evaluation_of_an_earlier_version_has_no_recipe():
    none = Rate(None, None, None, 0)
    with pytest.raises(ValueError, match=r"e\.json does not record how it was made"):
        reproduction_of(Evaluation(none, none, none, None), "e.json")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"schema": 1, "provenance": {}}, "is the report of a run, not what `holdfast reproduce` needs"),
        ({"reproduce": 9, "inputs": {}, "results": {}}, "has version 9, and this holdfast reads 1"),
        ({"reproduce": 1, "inputs": {}, "results": {}}, "lacks its recipe or its answers"),
    ],
)
def test_another_file_is_refused(tmp_path, content, sentence):
    save_json(tmp_path / "reproduce.json", content)
    with pytest.raises(ValueError, match=r"reproduce\.json") as error:
        load_reproduction(tmp_path / "reproduce.json")
    assert sentence in str(error.value)


def test_a_setting_that_this_version_does_not_know_is_refused(made):
    record = load_reproduction(made[0] / "reproduce.json")
    with pytest.raises(ValueError, match="sparkle"):
        recipe_of(record | {"recipe": record["recipe"] | {"sparkle": 1}}, {}, {})


def test_every_input_has_a_hash(made):
    names = set(inputs_of(made[1].made_by))
    assert names == {
        "model", "judge", "judge of refusals", "rules of coherence", "end tokens",
        "harmful prompts", "questions prompts",
        "harmful, as rendered for the model", "questions, as rendered for the model",
        "exchanges, as rendered for the model",
    }  # fmt: skip
