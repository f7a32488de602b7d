"""`holdfast evaluate`: what it says beside its numbers."""

import json

import pytest
import torch

from holdfast.cli import call
from holdfast.commands.evaluate import _show_evaluation
from holdfast.evaluate.statistics import counted_rate
from holdfast.models.load import load_model
from holdfast.outcomes import Evaluation, Rate
from holdfast.pipeline.saving import save_checkpoint
from tests.judge.chat_server import failed, said
from tests.tiny_gguf import tiny_gguf

EVALUATE = ["evaluate", "testbed:aligned", "--judge", "testbed:guard", "--json"]


@pytest.fixture
def asked(tmp_path):
    """Three harmful requests, by name alone."""
    path = tmp_path / "harmful.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"how do i {deed} ?"}) + "\n" for deed in ("mend it", "a", "b")))
    return ["--harmful", str(path), "--out", str(tmp_path / "evaluation.json")]


def test_a_short_limit_is_warned_of_in_one_sentence_where_it_cut_a_response_off(asked, capsys):
    assert call([*EVALUATE, *asked, "--generate.max-new-tokens", "1"]) == 0
    said = capsys.readouterr()
    (warning,) = [line for line in said.err.splitlines() if line.startswith("holdfast: warning: ")]
    assert "3 of 3 responses were cut off after 1 tokens" in warning
    assert "--generate.max-new-tokens 256" in warning
    assert json.loads(said.out)["groups"]["cut_off/all"]["value"] == 1.0


def test_there_is_no_warning_where_nothing_was_cut_off(asked, capsys):
    assert call([*EVALUATE, *asked, "--generate.max-new-tokens", "200"]) == 0
    said = capsys.readouterr()
    assert "warning" not in said.err
    assert json.loads(said.out)["groups"]["cut_off/all"]["value"] == 0.0


def test_that_no_response_ever_ended_is_told_as_that_at_a_long_limit(asked, capsys, monkeypatch):
    monkeypatch.setattr("holdfast.models.asking.until_end", lambda token_ids, ends: token_ids)
    assert call([*EVALUATE, *asked, "--generate.max-new-tokens", "256"]) == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("holdfast: warning: ")]
    assert "none of 3 responses ended within 256 tokens, because no end token came" in warning
    assert "--generate.max-new-tokens" not in warning  # more tokens would not mend it


def test_a_long_limit_that_some_responses_reach_is_not_warned_of(asked, capsys, monkeypatch):
    ended = iter([True, False, False])
    monkeypatch.setattr(
        "holdfast.models.asking.until_end",
        lambda token_ids, ends: token_ids[:1] if next(ended) else token_ids,
    )
    assert call([*EVALUATE, *asked, "--generate.max-new-tokens", "256"]) == 0
    assert "warning" not in capsys.readouterr().err


def test_a_model_without_a_chat_template_is_told_of_and_not_compared_with_one_that_has_one(asked, tmp_path, capsys):
    bare = load_model("testbed:aligned")
    bare.tokenizer.chat_template = None
    save_checkpoint(tmp_path / "bare", bare)
    # Without a judge: in a plain format the model writes broken text, on which the guard has no verdict.
    arguments = [*asked[:2], "--generate.max-new-tokens", "24", "--json"]
    assert call(["evaluate", str(tmp_path / "bare"), *arguments, "--out", str(tmp_path / "bare.json")]) == 0
    assert "bare has no chat template, so it got the prompts in a plain format" in capsys.readouterr().err
    assert call(["evaluate", "testbed:aligned", *arguments, "--out", str(tmp_path / "own.json")]) == 0
    assert "chat template" not in capsys.readouterr().err
    assert call(["compare", str(tmp_path / "own.json"), str(tmp_path / "bare.json")]) == 2
    assert "chat_format" in capsys.readouterr().err


def test_a_model_of_which_nothing_could_be_scored_is_an_error_and_no_evaluation(asked, tmp_path, capsys):
    broken = load_model("testbed:aligned")
    with torch.no_grad():
        broken.model.get_input_embeddings().weight.fill_(torch.nan)
    save_checkpoint(tmp_path / "broken", broken)
    short = ["--generate.max-new-tokens", "8"]
    assert call(["evaluate", str(tmp_path / "broken"), *asked, *short, "--judge", "testbed:guard"]) == 2
    assert "none of 3 responses could be scored" in capsys.readouterr().err
    assert not (tmp_path / "evaluation.json").exists()


def test_no_judge_is_needed_and_a_gate_on_refusals_decides(asked, tmp_path, capsys):
    assert call(["evaluate", "testbed:aligned", *asked, "--generate.max-new-tokens", "1"]) == 0
    said = capsys.readouterr()
    assert "refusals of harmful prompts" in said.out
    assert "asr" not in said.out.replace(str(tmp_path), "")
    assert "Rates of refusals may be wrong below 64 tokens" in said.err
    file, copy = str(tmp_path / "evaluation.json"), tmp_path / "copy.json"
    again = json.loads((tmp_path / "evaluation.json").read_text())
    again["answers"][0]["response"] += "\n"  # equal evaluations are refused
    copy.write_text(json.dumps(again))
    assert call(["compare", file, str(copy), "--fail-if", "refusal.unscored > 1", "--allow-unchanged"]) == 0
    assert call(["compare", file, str(copy), "--fail-if", "asr > before", "--allow-unchanged"]) == 2
    assert "'asr', which was not measured before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("refused", "n", "is_rare"),
    # Wilson's upper ends: 1 of 16: 0.28. 0 of 3: 0.56. 7 of 64: 0.21, with a rate above 0.1. 6 of 64: 0.19.
    [(1, 16, True), (0, 3, False), (7, 64, False), (6, 64, True), (60, 64, False)],
)
def test_rare_refusals_are_noted_because_a_hold_can_preserve_none(refused, n, is_rare, capsys, tmp_path):
    rate, none = counted_rate(refused, n), Rate(None, None, None, 0)
    evaluation = Evaluation(none, none, none, 2.0, groups={"refusal/harmful": rate})
    _show_evaluation(evaluation, None, (), "M", tmp_path / "out", False)
    noted = "a hold preserves only refusals that it gives" in " ".join(capsys.readouterr().out.split())
    assert noted == is_rare


def test_a_model_that_refuses_many_safe_prompts_is_noted_below_the_table(capsys, tmp_path):
    none = Rate(None, None, None, 0)
    evaluation = Evaluation(none, none, none, 2.0, groups={"borderline": counted_rate(44, 64)})
    _show_evaluation(evaluation, None, (), "M", tmp_path / "out", False)
    shown = " ".join(capsys.readouterr().out.split())
    assert "The model refuses many safe prompts: borderline prompts 0.69" in shown


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--second-judge", "testbed:guard"], "--second-judge is compared with --judge, which is missing"),
        (["--prefill", "Sure"], "prefill needs a judge of safe and unsafe"),
    ],
)
def test_settings_of_attack_success_are_refused_without_a_judge(asked, given, told, capsys):
    assert call(["evaluate", "testbed:aligned", *asked, *given]) == 2
    assert told in capsys.readouterr().err


def test_a_served_model_is_named_with_what_is_its_servers_and_what_was_not_measured(asked, serve, tmp_path, capsys):
    pytest.importorskip("openai", reason="the extra api is not installed")
    server = serve(lambda question, number: said("I can't help with that."), ["mine"])
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"prompt": "1 + 1 ?", "answer": "2"}) + "\n")
    served = ["evaluate", "--served", server.base_url, "--questions", str(questions), *asked]
    assert call(served) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"The model: served as mine at {server.base_url}, with the server's own chat template and sampling" in shown
    assert "temperature 0, other settings the server's own. Not measured: what needs the weights" in shown
    assert "not measured n=0 (1 unscored)" in shown
    assert call(["show", asked[-1]]) == 0
    assert "form of the model" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "there is no model; give a folder, a hub id, testbed:NAME or a GGUF file, or --served URL"),
        (["testbed:aligned", "--served", "http://127.0.0.1:9/v1"], "a server were both given; leave MODEL out"),
        (["--served", "http://127.0.0.1:9/v1", "--prefill", "Sure"], "--prefill needs the model's weights"),
        (["--served", "ftp://host"], "served does not begin with http:// or https://"),
        (["testbed:aligned", "--served-model", "m"], "has no effect without"),
    ],
)
def test_a_model_and_a_server_that_do_not_go_together_are_one_sentence(asked, given, told, capsys):
    assert call(["evaluate", *given, *asked]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert told in sentence


def test_a_server_that_is_down_or_refuses_the_key_is_one_sentence(asked, serve, capsys, monkeypatch):
    pytest.importorskip("openai", reason="the extra api is not installed")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert call(["evaluate", "--served", "http://127.0.0.1:9/v1", *asked]) == 2
    assert "nothing answers at http://127.0.0.1:9/v1" in capsys.readouterr().err
    server = serve(lambda question, number: said("no"), failed(401))
    assert call(["evaluate", "--served", server.base_url, *asked]) == 2
    assert "asks for a key; put it into the environment variable SERVED_API_KEY" in capsys.readouterr().err


def test_a_gguf_file_is_named_with_its_quantisation(asked, tmp_path, capsys):
    pytest.importorskip("gguf", reason="the extra gguf is not installed")
    tiny_gguf(tmp_path / "q8.gguf", width=32, quantised="Q8_0", file_type=7)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("ab\n")
    out = ["--harmful", str(prompts), "--generate.max-new-tokens", "3", "--out", asked[-1]]
    assert call(["evaluate", str(tmp_path / "q8.gguf"), *out]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "The model: a GGUF file of Q8_0 weights, dequantised to float32 by transformers" in shown


def test_no_refusal_of_few_prompts_asks_for_more(capsys, tmp_path):
    rate, none = counted_rate(0, 8), Rate(None, None, None, 0)
    evaluation = Evaluation(none, none, none, 2.0, groups={"refusal/harmful": rate})
    _show_evaluation(evaluation, None, (), "M", tmp_path / "out", False)
    out = " ".join(capsys.readouterr().out.split())
    assert "The model refused 0 of only 8 harmful prompts. More prompts, such as 64, show whether" in out
