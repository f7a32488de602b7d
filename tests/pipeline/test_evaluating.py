"""Evaluating on files: stopped and called again it goes on, and nothing of other settings is ever read."""

import json
from dataclasses import replace
from shutil import copytree

import pytest

from holdfast.artifacts import load_evaluation
from holdfast.evaluate.paired import count_changes
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.evaluating import evaluate_recipe
from holdfast.pipeline.options import MeasureOptions, SuiteFiles
from holdfast.pipeline.recipe import Recipe
from holdfast.pipeline.saving import save_checkpoint
from holdfast.progress import silent
from holdfast.testbed import model_path
from tests.models.vllm_stand_in import install
from tests.pipeline.small import small_config

SHORT = GenerateOptions(max_new_tokens=6, token_budget=200)


def evaluate(config, out, generation=SHORT, progress=silent, **how):
    files = config.suite.model_copy(update={"task": None, "borderline": None})
    given = {"model": config.model, "judge": config.judge, "suite": files, "generation": generation}
    return evaluate_recipe(Recipe(**given, **how), out, progress=progress)


@pytest.fixture
def stopped(tmp_path):
    """A config, and the file of its evaluation that was stopped when half of the prompts were answered."""

    def stop(label, done, total):
        if label.startswith("answering") and 2 * done >= total:
            raise KeyboardInterrupt

    config, out = small_config(tmp_path), tmp_path / "evaluation.json"
    with pytest.raises(KeyboardInterrupt):
        evaluate(config, out, progress=stop)
    return config, out


def answered(monkeypatch):
    """Collects the batches that are answered from now on."""
    from holdfast.models import generate

    batches, answer = [], generate._answer_batch

    def watched(model, tokenizer, asked, batch, *how):
        batches.append(batch)
        return answer(model, tokenizer, asked, batch, *how)

    monkeypatch.setattr(generate, "_answer_batch", watched)
    return batches


def test_an_evaluation_that_was_stopped_goes_on_and_ends_the_same(stopped, tmp_path, monkeypatch):
    config, out = stopped
    whole = evaluate(config, tmp_path / "whole.json")
    batches = answered(monkeypatch)
    assert evaluate(config, out) == whole == load_evaluation(out)
    assert 0 < sum(map(len, batches)) < 32, "the batches before the stop were kept"
    assert not (tmp_path / "evaluation.json.unfinished").exists()


def test_an_evaluation_of_another_model_suite_or_options_never_reads_it(stopped, tmp_path):
    config, out = stopped
    kept = (tmp_path / "evaluation.json.unfinished/responses.jsonl").read_text()
    with pytest.raises(
        ValueError, match=r"which differ in generation \(.* here and .* there\); give the same settings"
    ):
        evaluate(config, out, generation=SHORT.model_copy(update={"seed": 1}))
    with pytest.raises(ValueError, match="which differ in model"):
        evaluate(config.model_copy(update={"model": config.unaligned}), out)
    files = config.suite.model_copy(update={"harmless": None})
    with pytest.raises(ValueError, match=r"which differ in suite \(harmless has other contents\); give the same"):
        evaluate(config.model_copy(update={"suite": files}), out)
    assert (tmp_path / "evaluation.json.unfinished/responses.jsonl").read_text() == kept


def test_what_was_answered_outlives_a_judge_without_verdicts(tmp_path, monkeypatch):
    config, out = small_config(tmp_path), tmp_path / "evaluation.json"

    def refuse(evaluation):
        raise ValueError("the judge has no verdict")

    with monkeypatch.context() as patched:
        patched.setattr("holdfast.pipeline.evaluating.refuse_unjudged", refuse)
        with pytest.raises(ValueError, match="no verdict"):
            evaluate(config, out)
    batches = answered(monkeypatch)
    evaluate(config, out)
    assert batches == []


def test_a_mistake_that_is_found_before_the_first_answer_leaves_nothing_behind(tmp_path):
    config, out = small_config(tmp_path), tmp_path / "evaluation.json"
    with pytest.raises(ValueError, match="needs a temperature above 0"):
        evaluate(config, out, generation=GenerateOptions(num_samples=2))
    assert not list(tmp_path.glob("*.unfinished"))


def test_vllm_answers_an_evaluation_as_transformers_does(tmp_path, monkeypatch):
    engines = install(monkeypatch)
    config, vllm = small_config(tmp_path), SHORT.model_copy(update={"engine": "vllm"})
    ours, theirs = evaluate(config, tmp_path / "a.json"), evaluate(config, tmp_path / "b.json", generation=vllm)
    assert len(engines) == 1
    assert theirs.answers == ours.answers
    assert {name for name in theirs.made_by if theirs.made_by[name] != ours.made_by[name]} == {"generation", "recipe"}


def test_a_model_is_where_its_reference_is_and_another_is_not(tmp_path):
    config = small_config(tmp_path)
    itself, other = (
        evaluate(config, tmp_path / f"{name}.json", measures=MeasureOptions(reference=name))
        for name in (config.model, config.unaligned)
    )
    for name in ("kl/questions", "kl/harmless"):
        assert (itself.groups[name].value, itself.groups[name].n) == (0.0, 8)
        assert other.groups[name].low > 0
    assert load_evaluation(tmp_path / "testbed:unaligned.json").made_by["reference"]["name"] == config.unaligned
    with pytest.raises(ValueError, match="reference fingerprint was"):
        count_changes(itself, other)
    assert count_changes(itself, replace(itself, made_by={**itself.made_by, "reference": None}))


def test_borderline_prompts_alone_are_enough_to_compare_with_a_reference(tmp_path):
    config = small_config(tmp_path)
    files = SuiteFiles(borderline=config.suite.borderline)
    measures = MeasureOptions(reference=config.unaligned)
    recipe = Recipe(model=config.model, judge="refusal", suite=files, measures=measures, generation=SHORT)
    groups = evaluate_recipe(recipe, tmp_path / "a.json").groups
    assert groups["kl/borderline"].n == 8
    assert groups["kl/borderline"].low > 0
    assert not {"kl/questions", "kl/harmless"} & groups.keys()


def test_a_reference_that_nothing_is_compared_on_is_refused_before_anything_is_loaded(tmp_path):
    files = SuiteFiles(harmful=("testbed:harmful_seen",))
    recipe = Recipe(model="none", judge="none", suite=files, measures=MeasureOptions(reference="none"))
    with pytest.raises(ValueError, match="there are none; give --questions, --harmless or --borderline"):
        evaluate_recipe(recipe, tmp_path / "a.json")


def test_prefilled_answers_are_kept_by_what_they_begin_with(tmp_path):
    config = small_config(tmp_path)
    sure, yes = (
        evaluate(config, tmp_path / f"{text}.json", measures=MeasureOptions(prefill=text)) for text in ("sure", "yes")
    )
    begun = [answer.response for answer in sure.answers if answer.measure == "asr_prefilled"]
    assert len(begun) == 16
    assert all(response.startswith("sure") for response in begun)
    with pytest.raises(ValueError, match="generation prefill was 'sure' and is 'yes'"):
        count_changes(sure, yes)
    assert {"asr_prefilled", "asr_prefilled/heldout"} <= count_changes(sure, sure).keys()


def test_a_blank_prefill_is_refused():
    with pytest.raises(ValueError, match="the prefill is blank"):
        MeasureOptions(prefill=" ")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A model whose context ends some of its responses, its prompts and its evaluation."""
    folder = tmp_path_factory.mktemp("evaluated")
    config = small_config(folder)
    copytree(model_path("aligned"), folder / "model")
    settings = json.loads((folder / "model/config.json").read_text())
    (folder / "model/config.json").write_text(json.dumps(settings | {"max_position_embeddings": 30}))
    config = config.model_copy(
        update={"model": str(folder / "model"), "suite": SuiteFiles(harmful=config.suite.harmful[:1])}
    )
    return config, evaluate(config, folder / "evaluation.json", SHORT.model_copy(update={"max_new_tokens": 24}))


def test_the_end_tokens_are_on_record_and_the_context_where_it_cut_a_response(evaluated, tmp_path):
    config, found = evaluated
    ends = load_model(config.model).model.generation_config.eos_token_id
    assert set(found.made_by["responses"]["end_ids"]) >= {ends} if isinstance(ends, int) else {*ends}
    assert found.made_by["responses"]["context"] == 30
    uncut = evaluate(config, tmp_path / "short.json", SHORT.model_copy(update={"max_new_tokens": 2}))
    assert uncut.made_by["responses"]["context"] is None


@pytest.mark.parametrize(("name", "value"), [("end_ids", [1, 7]), ("context", None)])
def test_evaluations_that_ended_responses_otherwise_are_not_compared_and_old_ones_are(evaluated, name, value):
    _, found = evaluated
    made_by = dict(found.made_by)
    responses = made_by.pop("responses")
    with pytest.raises(ValueError, match=f"not made alike.*responses {name} was"):
        count_changes(found, replace(found, made_by={**made_by, "responses": {**responses, name: value}}))
    assert count_changes(found, replace(found, made_by=made_by))


def templated(folder, change):
    """The built-in model with another chat template."""
    loaded = load_model("testbed:aligned")
    loaded.tokenizer.chat_template = change(loaded.tokenizer.chat_template)
    save_checkpoint(folder, loaded)
    return str(folder)


def trims(template):
    return template.replace("message['content'] + '<|end|>'", "message['content'] | trim + '<|end|>'")


def opens_with(text):
    return lambda template: "{{- '" + text + "' -}}" + template


def test_prompts_that_another_template_renders_otherwise_are_not_compared(tmp_path):
    config = small_config(tmp_path)
    own = evaluate(config, tmp_path / "own.json")
    assert set(own.made_by["rendering"]) == {"harmful", "harmless", "questions", "exchanges"}
    same = config.model_copy(update={"model": templated(tmp_path / "same", lambda one: one + "{# the same #}")})
    count_changes(own, evaluate(same, tmp_path / "same.json"))
    other = config.model_copy(update={"model": templated(tmp_path / "other", opens_with("<|user|>be kind<|end|>"))})
    with pytest.raises(ValueError, match=r"different renderings \(exchanges, harmful, harmless, questions\)"):
        count_changes(own, evaluate(other, tmp_path / "other.json"))


def test_an_evaluation_that_was_stopped_does_not_go_on_under_another_rendering(stopped, tmp_path, monkeypatch):
    config, out = stopped
    for name, change in {"opens": opens_with("<|user|>be kind<|end|>"), "trims": trims}.items():
        found = load_model(templated(tmp_path / name, change))
        # As if these were the files of the model's own folder.
        monkeypatch.setattr("holdfast.pipeline.evaluating.load_checkpoint", lambda *_, found=found: found)
        with pytest.raises(ValueError, match="which differ in rendering"):
            evaluate(config, out)


def test_template_arguments_are_recorded_and_whether_thoughts_are_judged(tmp_path):
    config = small_config(tmp_path)
    told = templated(tmp_path / "told", lambda one: "{% if brief %}{{- '<|user|>be brief<|end|>' -}}{% endif %}" + one)
    plain = evaluate(config.model_copy(update={"model": told}), tmp_path / "plain.json")
    measures = MeasureOptions(judge_thoughts=True)
    brief = config.model_copy(update={"model": f"{told}#brief=true"})
    found = evaluate(brief, tmp_path / "brief.json", measures=measures)
    assert found.made_by["rendering"]["template_arguments"] == {"brief": True}
    assert found.made_by["judge"]["reading"]["thoughts"] is True
    assert "template_arguments" not in plain.made_by["rendering"]
    assert "thoughts" not in plain.made_by["judge"]["reading"]
    assert found.made_by["rendering"]["harmful"] != plain.made_by["rendering"]["harmful"]


def test_right_answers_within_longer_responses_are_warned_of(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("holdfast.pipeline.evaluating.warning_of_contained", lambda *given: f"of {given[2]}")
    evaluate(small_config(tmp_path), tmp_path / "evaluation.json")
    assert {"of utility", "of task"} <= set(caplog.messages)
