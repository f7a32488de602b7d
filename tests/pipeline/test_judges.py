"""Judges behind an API in the commands: what they serve, what they are refused for, and that their key stays out."""

import json
import re
from zlib import crc32

import pytest

from holdfast.artifacts import load_evaluation, load_scores
from holdfast.cli import call
from holdfast.judge.rubric import RubricJudge
from holdfast.judge.trial import HELP, REFUSAL
from holdfast.models.load import fingerprint
from holdfast.pipeline.judges import load_judge
from tests.judge.chat_server import KEY, failed, reply_in, said, scored
from tests.pipeline.small import small_config

pytest.importorskip("openai", reason="the extra api is not installed")


def any_score(question, number):
    """A score that is the same for the same response."""
    return scored(crc32(reply_in(question).encode()) % 5 + 1)


def is_known(question):
    """Whether a question is one of the judge's trial, asked before any response is."""
    return reply_in(question) in (HELP, REFUSAL)


def after_the_trial(answer):
    """Known exchanges are judged as they should be; to all else there is this one answer."""
    return lambda question, number: scored(5 if reply_in(question) == HELP else 1) if is_known(question) else answer


@pytest.fixture
def command(tmp_path):
    """A command on few prompts with a judge behind a server; its files lie in one folder."""
    config = small_config(tmp_path)

    def make(name, server, *more, judge="api:stub", model="testbed:unaligned"):
        reached = [f"--api.base-url={server.base_url}", f"--api.answers={tmp_path / 'answers'}"]
        prompts = {
            "score": [f"--prompts={config.calibration.harmful}#first=4", "--method=snip"],
            "evaluate": [f"--harmful={config.suite.harmful[0]}"],
            "verify": [f"--harmful={config.suite.harmful[0]}", "--ratios=1.0", "--draws=2"],
        }[name]
        short = [f"--judge={judge}", "--generate.max-new-tokens=4", f"--out={tmp_path / 'out'}", "--json"]
        return [name, model, *reached, *prompts, *short, *more]

    return make


def refusal(capsys, arguments):
    """The last line on stderr of a command that is refused."""
    assert call(arguments) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_a_name_with_api_is_asked_and_any_other_is_loaded(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert isinstance(load_judge("api:org/model:free"), RubricJudge)
    loaded = load_judge("testbed:guard")
    assert loaded.fingerprint == fingerprint(loaded.model)
    with pytest.raises(ValueError, match="names no model; write api:MODEL"):
        load_judge("api:")


def test_a_judge_behind_an_api_serves_the_policy_gradient(serve, command, tmp_path, capsys):
    assert call(command("score", serve(any_score), "--objective=policy_gradient")) == 0
    assert json.loads(capsys.readouterr().out)["unit"] == "judge score"
    assert any(bool(entries.any()) for entries in load_scores(tmp_path / "out").entries.values())


@pytest.mark.parametrize("objective", ["judge_gradient", "control_variate", "mix"])
def test_what_takes_a_gradient_refuses_it_before_anything_is_loaded(serve, command, capsys, objective):
    server = serve(any_score)
    arguments = command("score", server, f"--objective={objective}", model="/no/such/model")
    assert f"objective {objective} takes the judge's gradient" in (said := refusal(capsys, arguments))
    assert "choose the objective policy_gradient" in said
    assert server.bodies == []


def test_an_endpoint_that_is_down_costs_no_response_that_was_generated(serve, command, capsys, monkeypatch):
    server = serve(after_the_trial(failed(500)))
    arguments = command("score", server, "--objective=policy_gradient", "--api.retries=0")
    said = refusal(capsys, arguments)
    assert said.startswith(f"holdfast: the judge at {server.base_url} left 8 questions in a row")
    assert said.endswith("holdfast keeps the answers so far.")
    monkeypatch.setattr("holdfast.models.generate._answer_batch", None)  # would fail if it were called
    server.answer = any_score
    assert call(arguments) == 0


def test_two_judges_are_compared_on_the_same_responses(serve, command, tmp_path, capsys):
    server = serve(lambda question, number: scored(1))
    arguments = command("evaluate", server, "--second-judge=api:stub", judge="testbed:guard")
    assert call(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    evaluation = load_evaluation(tmp_path / "out")
    asked = [answer for answer in evaluation.answers if answer.measure == "asr"]
    judged = [question for question in server.questions if not is_known(question)]
    assert sorted(map(reply_in, judged)) == sorted(answer.response for answer in asked)
    safe = sum(answer.outcome.verdict == "safe" for answer in asked) / len(asked)
    found = result["second_judge"]
    assert (found["agreement"]["value"], found["agreement"]["n"]) == (pytest.approx(safe), len(asked))
    assert found["kappa"] in (0, None)  # a judge that always says the same
    beside = json.loads((tmp_path / "out_second_judge.json").read_text())
    assert (beside["judge"], beside["kappa"]) == ("api:stub", found["kappa"])
    assert [answer["second"]["verdict"] for answer in beside["answers"]] == ["safe"] * len(asked)


def test_the_table_shows_agreement_with_its_interval_and_kappa(serve, command, capsys):
    arguments = command("evaluate", serve(any_score), "--second-judge=api:stub")
    arguments.remove("--json")
    assert call(arguments) == 0
    shown = capsys.readouterr().out
    assert re.search(r"agreement of the judges +│ 1.00 \[0\.", shown)
    assert "kappa" in shown


def test_a_judge_can_be_asked_for_refusals(serve, command, capsys):
    def answer(question, number):
        return said('{"verdict": "refused"}') if "whether an AI assistant refused" in question else scored(2)

    assert call(command("evaluate", serve(answer), "--refusal-judge=api:stub")) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["asr"]["value"], result["refusal"]["value"]) == (0, 1)


def test_a_guard_is_no_judge_of_refusals(serve, command, capsys):
    arguments = command("evaluate", serve(any_score), "--refusal-judge=testbed:guard")
    assert "the refusal judge 'testbed:guard' says safe or unsafe" in refusal(capsys, arguments)


def test_all_unscored_is_a_sentence_and_no_rate(serve, command, tmp_path, capsys):
    server = serve(after_the_trial(said("I would say 4.5")))
    assert "no verdict on any of 8 responses (the first: the judge answered 'I would say 4.5'" in refusal(
        capsys, command("evaluate", server)
    )
    assert not (tmp_path / "out").exists()


def test_a_judge_that_scores_some_is_a_rate_with_unscored_ones(serve, command, capsys):
    server = serve(lambda question, number: said("10/10") if number == 2 else scored(5))  # the first of its responses
    assert call(command("evaluate", server, "--api.concurrency=1")) == 0
    rate = json.loads(capsys.readouterr().out)["asr"]
    assert rate["value"] == 1
    assert rate["n"] + rate["unscored"] == 8
    assert rate["unscored"] >= 1


@pytest.mark.parametrize("name", ["evaluate", "score", "verify"])
def test_options_of_an_api_that_no_judge_is_behind_are_refused(serve, command, tmp_path, capsys, name):
    more = [f"--mask={tmp_path / 'mask.safetensors'}"] if name == "verify" else []
    arguments = command(name, serve(any_score), *more, judge="testbed:guard")
    assert "there are --api options, and no judge is called api:MODEL" in refusal(capsys, arguments)


def test_verify_is_claimed_by_the_judges_fingerprint_and_the_key_is_in_no_file(serve, command, tmp_path, capsys):
    score = command("score", serve(any_score), "--objective=policy_gradient")
    assert call(score) == 0
    (tmp_path / "out").rename(tmp_path / "scores")
    assert call(["select", str(tmp_path / "scores"), "--out", str(tmp_path / "mask")]) == 0
    server = serve(any_score)
    verify = command("verify", server, f"--mask={tmp_path / 'mask'}")
    assert call(verify) == 0
    assert "which differ in judge" in refusal(capsys, [*verify, "--api.unsafe-from=5"])
    assert len(server.bodies) > 0
    assert all(headers["authorization"] == f"Bearer {KEY}" for headers in server.headers)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("settings.json" in path.name for path in files)
    assert not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_judge_without_any_verdict_is_refused_before_a_model_is_loaded(serve, command, tmp_path, capsys):
    server = serve(lambda question, number: said("I would say 4.5"))
    for name in ("evaluate", "score"):
        more = ["--objective=policy_gradient"] if name == "score" else []
        sentence = refusal(capsys, command(name, server, *more, model="/no/such/model"))
        assert "the judge 'api:stub' has no verdict on two exchanges that are easy to judge" in sentence
    second = command("evaluate", server, "--second-judge=api:stub", judge="testbed:guard", model="/no/such/model")
    assert "the judge 'api:stub' has no verdict on two exchanges" in refusal(capsys, second)
    refusals = command("evaluate", server, "--refusal-judge=api:stub", judge="testbed:guard", model="/no/such/model")
    assert "the judge 'api:stub' has no verdict on two exchanges" in refusal(capsys, refusals)
    assert not (tmp_path / "out").exists()


def test_a_judge_whose_server_does_not_answer_is_told_by_its_url(serve, command, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = serve(any_score)
    arguments = command("evaluate", server, "--api.retries=0", model="/no/such/model")
    dead = [one.replace(server.base_url, "http://127.0.0.1:9/v1") for one in arguments]
    assert "nothing answers at http://127.0.0.1:9/v1, where the judge 'stub' should be" in refusal(capsys, dead)
    assert not (tmp_path / "out").exists()


def test_what_a_judge_said_of_the_known_exchanges_is_shown_and_kept(serve, command, tmp_path, capsys, caplog):
    def answer(question, number):
        if "whether an AI assistant refused" in question:
            return said(json.dumps({"verdict": "refused" if reply_in(question) == REFUSAL else "complied"}))
        return after_the_trial(scored(1))(question, number)

    arguments = command("evaluate", serve(answer), "--refusal-judge=api:stub")
    arguments.remove("--json")
    assert call(arguments) == 0
    tried = load_evaluation(tmp_path / "out").made_by["tried"]
    assert tried["judge"] == {"help": "unsafe", "refusal": "safe"}
    assert tried["refusal_judge"] == {"help": "complied", "refusal": "refused"}
    shown = capsys.readouterr().out
    assert "judge rated help with a murder unsafe and a refusal safe" in shown
    assert "Tried" not in caplog.text, "nobody is warned of what is right"


def test_of_a_judge_that_says_one_thing_of_all_one_is_warned(serve, command, caplog):
    assert call(command("evaluate", serve(lambda question, number: scored(1)))) == 0
    assert "the judge 'api:stub' calls help with a murder safe, and a refusal of it safe" in caplog.text


def test_none_leaves_the_temperature_out(serve, command):
    server = serve(any_score)
    assert call(command("evaluate", server, "--api.temperature=none")) == 0
    assert all("temperature" not in body for body in server.bodies)


def test_a_second_judge_without_harmful_prompts_is_refused_before_the_work(serve, command, capsys):
    arguments = command("evaluate", serve(any_score), "--second-judge=api:stub")
    without = [one for one in arguments if not one.startswith("--harmful")]
    assert "there are no prompts to measure on; give --harmful" in refusal(capsys, without)


def test_what_a_second_judge_said_is_never_overwritten(serve, command, tmp_path, capsys):
    (tmp_path / "out_second_judge.json").write_text("theirs")
    assert "exists already" in refusal(capsys, command("evaluate", serve(any_score), "--second-judge=api:stub"))
    assert not (tmp_path / "out").exists()
