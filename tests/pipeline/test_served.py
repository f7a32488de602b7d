"""Models in another form than a checkpoint: a server with a real small model, and GGUF files, evaluated."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.artifacts import load_evaluation, save_json
from holdfast.evaluate.comparing import compare
from holdfast.evaluate.lm_eval_tasks import LmEvalOptions
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions, ServedOptions
from holdfast.pipeline.evaluating import evaluate_recipe
from holdfast.pipeline.options import MeasureOptions, SuiteFiles
from holdfast.pipeline.recipe import Recipe
from holdfast.pipeline.reproducing import load_reproduction, recipe_of, reproduce, reproduction_of
from tests.judge.chat_server import failed, said
from tests.model_server import model_server
from tests.pipeline.small import small_config
from tests.tiny_gguf import tiny_gguf

pytest.importorskip("openai", reason="the extra api is not installed")
SHORT = GenerateOptions(max_new_tokens=12)
FEW = {"task": None, "borderline": None}


def evaluate_model(model, judge, files, out, *, refusals=None, **how):
    return evaluate_recipe(Recipe(model=model, judge=judge, refusal_judge=refusals, suite=files, **how), out)


def evaluated(model, config, out, **how):
    files = config.suite.model_copy(update=FEW)
    return evaluate_model(model, config.judge, files, out, generation=SHORT, **how)


@pytest.fixture(scope="module")
def served():
    """The options of a server that answers with testbed:aligned."""
    with pytest.MonkeyPatch.context() as environment, model_server(load_model("testbed:aligned")).running() as server:
        environment.setenv("NO_PROXY", "127.0.0.1")
        yield ServedOptions(served=server.base_url, served_concurrency=2)


@pytest.fixture(scope="module")
def made(served, tmp_path_factory):
    """A config, and the files of the evaluations of one model, loaded here and behind the server."""
    folder = tmp_path_factory.mktemp("served")
    config = small_config(folder)
    evaluated("testbed:aligned", config, folder / "here.json")
    evaluated(None, config, folder / "there.json", served=served)
    return config, folder / "here.json", folder / "there.json"


def test_a_served_model_is_measured_as_the_checkpoint_is_but_for_what_needs_weights(made, served):
    here, there = map(load_evaluation, made[1:])
    assert [answer.response for answer in there.answers] == [answer.response for answer in here.answers]
    assert (there.asr, there.over_refusal, there.utility) == (here.asr, here.over_refusal, here.utility)
    lengths = {name for name in here.groups if name.startswith("response_length")}
    assert lengths
    assert {name: rate for name, rate in there.groups.items() if name not in lengths} == {
        name: rate for name, rate in here.groups.items() if name not in lengths
    }
    assert {(there.groups[name].value, there.groups[name].n) for name in lengths} == {(None, 0)}
    assert here.perplexity
    assert there.perplexity is None
    assert (there.perplexity_rate.n, there.perplexity_rate.unscored) == (0, len(here.losses))
    assert there.made_by["model"] == {"name": "testbed:aligned"}
    assert there.made_by["served"] == {
        "address": served.served,
        "chat_template": "the server's own",
        "sampling": "temperature 0, other settings the server's own",
    }


@pytest.mark.slow
def test_an_evaluation_of_a_served_model_is_made_again_from_its_record(made, tmp_path):
    save_json(tmp_path / "reproduce.json", reproduction_of(load_evaluation(made[2]), "there.json"))
    record = load_reproduction(tmp_path / "reproduce.json")
    result = reproduce(record, recipe_of(record, {}, {}), tolerance=0.0)
    assert (result.different, result.other_responses, result.other_versions) == ([], 0, ())
    with pytest.raises(ValueError, match="leave MODEL out"):
        reproduce(record, recipe_of(record, {"model": "testbed:aligned"}, {}), tolerance=0.0)


def test_a_served_model_and_a_checkpoint_are_compared_with_a_told_difference(made):
    _, here, there = made
    result = compare(here, there, ["asr > before + 0.02"])
    assert [finding.outcome for finding in result.findings] == ["undecided"]
    assert result.measures["asr"].paired.n == 16
    (told,) = [sentence for sentence in result.warnings if "served model" in sentence]
    assert "evaluation after is of the served model 'testbed:aligned' at http://127.0.0.1" in told
    assert "the server's own chat template and sampling: temperature 0, other settings the server's own" in told
    with pytest.raises(ValueError, match="perplexity"):
        compare(here, there, ["perplexity > before + 1"])


def test_the_servers_own_sampling_is_told_and_compared_by_the_settings_that_both_name(made, served, tmp_path):
    config, here, _ = made
    own = served.model_copy(update={"served_sampling": "server"})
    after = evaluated(None, config, tmp_path / "after.json", served=own)
    assert after.made_by["generation"] == {"max_new_tokens": 12, "num_samples": 1}
    told = compare(here, after).warnings
    assert any("sampling: the server's own" in sentence for sentence in told)
    longer = {**after.made_by, "generation": {"max_new_tokens": 13, "num_samples": 1}}
    with pytest.raises(ValueError, match="generation max_new_tokens was '12' and is '13'"):
        compare(here, replace(after, made_by=longer))


def test_a_response_that_never_comes_is_missing_in_every_rate(serve, tmp_path):
    config = small_config(tmp_path)
    lost = json.loads(Path(config.suite.harmful[0]).read_text().splitlines()[0])["prompt"]

    def answer(question, number):
        return failed(500) if question == lost else said("I can't help with that.")

    server = serve(answer, ["m"])
    options = ServedOptions(served=server.base_url, served_retries=0)
    files = SuiteFiles(harmful=config.suite.harmful)
    evaluation = evaluate_model(None, "refusal", files, tmp_path / "out.json", served=options, generation=SHORT)
    assert (evaluation.refusal.value, evaluation.refusal.n, evaluation.refusal.unscored) == (1.0, 15, 1)
    rates = [evaluation.groups[name] for name in ("coherence/all", "cut_off/all", "degenerate/all")]
    assert [(rate.n, rate.unscored) for rate in rates] == [(15, 1)] * 3
    (answer,) = [answer for answer in evaluation.answers if answer.prompt == lost]
    assert "500" in answer.outcome.reason


def test_an_evaluation_of_a_server_that_went_down_goes_on_where_it_stopped(serve, tmp_path):
    config = small_config(tmp_path)
    up = [6]

    def answer(question, number):
        return said("I can't help with that.") if number < up[0] else failed(503)

    server = serve(answer, ["m"])
    options = ServedOptions(served=server.base_url, served_retries=0, served_concurrency=1)
    files, out = SuiteFiles(harmful=config.suite.harmful), tmp_path / "out.json"
    with pytest.raises(ConnectionError, match=r"8 prompts in a row .* run the same command again"):
        evaluate_model(None, "refusal", files, out, served=options, generation=SHORT)
    assert not out.exists()
    up[0], before = 1000, len(server.bodies)
    evaluation = evaluate_model(None, "refusal", files, out, served=options, generation=SHORT)
    assert len(server.bodies) - before == 16 - 6
    assert evaluation.refusal.n == 16


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"measures": MeasureOptions(prefill="Sure")}, "--prefill needs the model's weights"),
        ({"measures": MeasureOptions(reference="testbed:aligned")}, "--reference needs the model's weights"),
        ({"lm_eval": LmEvalOptions(tasks=("arc_easy",))}, "--lm-eval needs the model's weights"),
    ],
)
def test_what_needs_weights_is_refused_before_the_server_is_asked(how, sentence, tmp_path):
    options = ServedOptions(served="http://127.0.0.1:9/v1")
    files = small_config(tmp_path).suite.model_copy(update=FEW)
    with pytest.raises(ValueError, match=sentence):
        evaluate_model(None, "testbed:guard", files, tmp_path / "out.json", served=options, generation=SHORT, **how)


def test_a_model_or_a_server_is_needed_and_not_both(tmp_path):
    files = SuiteFiles(harmful=("none.txt",))
    with pytest.raises(ValueError, match=r"there is no model; give .* or --served URL"):
        evaluate_model(None, "refusal", files, tmp_path / "out.json")
    both = ServedOptions(served="http://127.0.0.1:9/v1")
    with pytest.raises(ValueError, match=r"the model 'm' and a server were both given; leave MODEL out"):
        evaluate_model("m", "refusal", files, tmp_path / "out.json", served=both)


@pytest.fixture
def plain_prompts(tmp_path):
    (tmp_path / "prompts.txt").write_text("ab\nba\naab\n")
    return SuiteFiles(harmful=(str(tmp_path / "prompts.txt"),))


def test_a_quantised_file_is_compared_with_the_one_that_it_was_made_from(tmp_path, plain_prompts):
    pytest.importorskip("gguf", reason="the extra gguf is not installed")
    tiny_gguf(tmp_path / "full.gguf", width=32, file_type=0)
    tiny_gguf(tmp_path / "q8.gguf", width=32, quantised="Q8_0", file_type=7)
    full, quantised = str(tmp_path / "full.gguf"), str(tmp_path / "q8.gguf")
    before = evaluate_model(full, "refusal", plain_prompts, tmp_path / "before.json", generation=SHORT)
    after = evaluate_model(quantised, "refusal", plain_prompts, tmp_path / "after.json", generation=SHORT)
    described = [evaluation.made_by["model"]["gguf"]["quantisation"] for evaluation in (before, after)]
    assert described == ["F32", "Q8_0"]
    assert before.made_by["model"]["fingerprint"] != after.made_by["model"]["fingerprint"]
    assert not [sentence for sentence in compare(before, after).warnings if "GGUF" in sentence]
    assert compare(before, after).measures["refusal"].paired.n == 3
    ends = {**after.made_by, "responses": {"end_ids": [2, 5]}}
    told = compare(before, replace(after, made_by=ends)).warnings
    assert any("chat template and end tokens of its own, and the end tokens of the two" in one for one in told)


def test_a_gguf_file_is_refused_with_another_engine_and_before_a_judge_is_loaded(tmp_path, plain_prompts):
    pytest.importorskip("gguf", reason="the extra gguf is not installed")
    tiny_gguf(tmp_path / "model.gguf")
    other = GenerateOptions(engine="vllm")
    with pytest.raises(ValueError, match="engine vllm reads a GGUF file in its own way"):
        evaluate_model(str(tmp_path / "model.gguf"), "none", plain_prompts, tmp_path / "out.json", generation=other)
    with pytest.raises(ValueError, match=r"gone\.gguf' does not exist"):
        evaluate_model(str(tmp_path / "gone.gguf"), "none", plain_prompts, tmp_path / "out.json")
