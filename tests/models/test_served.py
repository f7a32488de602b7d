"""A server that answers prompts: the model's name, the request, and what becomes of time-outs, refusals and stops."""

import json

import pytest

from holdfast.models.options import GenerateOptions, ServedOptions
from holdfast.models.response_log import ResponseLog
from holdfast.models.served import connect
from holdfast.progress import silent
from holdfast.wrong_options import OptionsError
from tests.judge.chat_server import KEY, Reply, failed, said

pytest.importorskip("openai", reason="the extra api is not installed")


def connected(server, generation=GenerateOptions(max_new_tokens=7), **options):
    """The server's model, whose waits are noted instead of waited."""
    model = connect(ServedOptions(served=server.base_url, **options), generation)
    waits = []
    model.endpoint._sleep = waits.append
    return model, waits


def echo(question, number):
    return said(f"re: {question}")


def test_the_request_has_the_prompt_the_limit_and_a_temperature_and_no_key(serve):
    server = serve(echo, ["m"])
    model, _ = connected(server)
    (response,) = model(["well?"], GenerateOptions(max_new_tokens=7), silent)
    messages = [{"role": "user", "content": "well?"}]
    assert server.bodies == [{"model": "m", "messages": messages, "max_tokens": 7, "temperature": 0.0}]
    assert server.headers[0]["authorization"] == "Bearer none"
    assert KEY not in str(server.headers), "the key of another server is not sent here"
    assert (response.prompt, response.text, response.finished, response.missing) == ("well?", "re: well?", True, None)


def test_the_servers_own_sampling_gets_neither_temperature_nor_seed(serve):
    server = serve(echo, ["m"])
    generation = GenerateOptions(num_samples=2)
    model, _ = connected(server, generation, served_sampling="server")
    assert len(model(["well?"], generation, silent)) == 2
    assert all(body.keys() == {"model", "messages", "max_tokens"} for body in server.bodies)


def test_samples_of_a_prompt_have_seeds_of_their_own_and_lie_in_a_row(serve):
    server = serve(echo, ["m"])
    generation = GenerateOptions(temperature=0.5, num_samples=2)
    model, _ = connected(server, generation)
    assert [response.text for response in model(["a", "b"], generation, silent)] == ["re: a"] * 2 + ["re: b"] * 2
    assert len({body["seed"] for body in server.bodies}) == 4
    with pytest.raises(ValueError, match="needs a temperature above 0"):
        model(["a"], GenerateOptions(num_samples=2), silent)


def test_a_limit_that_ends_a_response_is_known_and_thoughts_stand_before_the_answer(serve):
    replies = [said("so far", "length"), said("yes", reasoning_content="hm"), said(None, "length", reasoning="hm")]
    server = serve(lambda question, number: replies[int(question)], ["m"])
    model, _ = connected(server)
    cut, thought, thinking = model(["0", "1", "2"], GenerateOptions(), silent)
    assert (cut.text, cut.finished) == ("so far", False)
    assert (thought.text, thought.finished) == ("<think>hm</think>\n\nyes", True)
    assert (thinking.text, thinking.finished) == ("<think>hm", False)


def test_a_refusal_apart_from_the_text_is_the_response(serve):
    model, _ = connected(serve(lambda question, number: said(None, refusal="I won't."), ["m"]))
    assert [response.text for response in model(["a"], GenerateOptions(), silent)] == ["I won't."]


def test_an_empty_response_is_a_response(serve):
    model, _ = connected(serve(lambda question, number: said(""), ["m"]))
    (response,) = model(["a"], GenerateOptions(), silent)
    assert (response.text, response.missing) == ("", None)


def test_a_reply_without_content_is_no_response_and_eight_in_a_row_stop_the_command(serve, caplog):
    server = serve(lambda question, number: said(None) if question == "bad" else said(""), ["stub"])
    model, _ = connected(server)
    empty, bad = model(["good", "bad"], GenerateOptions(), silent)
    assert (empty.missing, bad.missing) == (None, "the served model's reply has no content (it ended with 'stop')")
    assert [record.getMessage() for record in caplog.records] == [
        "the served model gave no response to 1 of 2 prompts, which are unscored (the first: the served model's reply "
        "has no content (it ended with 'stop')); run the same command with another --out to ask again, or correct the "
        "server."
    ]
    with pytest.raises(ConnectionError, match=r"left 8 prompts in a row without an answer \(.* has no content"):
        connected(serve(lambda question, number: said(None), ["stub"]))[0](["bad"] * 20, GenerateOptions(), silent)


def test_a_filter_that_refuses_some_prompts_is_warned_of_with_the_first_reason(serve, caplog):
    server = serve(lambda question, number: failed(400, "content filter") if question == "bad" else said("yes"), ["m"])
    connected(server)[0](["good", "bad", "bad"], GenerateOptions(), silent)
    assert any("no response to 2 of 3 prompts" in record.getMessage() for record in caplog.records)
    assert any("content filter" in record.getMessage() for record in caplog.records)


def test_another_model_than_the_asked_one_is_noticed(serve, caplog):
    connected(serve(echo, ["stub"]))[0](["a"], GenerateOptions(), silent)
    assert not caplog.records
    connected(serve(echo, ["mine"]))[0](["a"], GenerateOptions(), silent)
    assert "asked for the model 'mine' and answers as 'stub'; check" in caplog.records[0].getMessage()


def test_the_servers_count_of_tokens_is_kept(serve):
    def counted(question, number):
        reply = json.loads(said("well").body)
        return Reply(200, json.dumps(reply | ({"usage": {"completion_tokens": 7}} if question == "counted" else {})))

    model, _ = connected(serve(counted, ["stub"]))
    responses = model(["counted", "not"], GenerateOptions(), silent)
    assert [response.tokens for response in responses] == [7, None]


HALF = json.dumps({"choices": [{"message": {"content": "half"}}]})[:20]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (failed(429, retry_after="7"), "429"),
        (failed(503), "503"),
        (Reply(200, HALF), "not JSON"),
        (Reply(200, HALF, {"content-length": "1000"}), "connection to the served model failed"),
        (Reply(200, "{}"), "holds no answer"),
    ],
    ids=["busy", "down", "half a JSON", "half a stream", "no choice"],
)
def test_a_failure_is_tried_again_and_then_the_response_is_missing(serve, reply, reason):
    server = serve(lambda question, number: reply if question == "bad" else echo(question, number), ["m"])
    model, waits = connected(server, served_retries=2)
    good, bad = model(["good", "bad"], GenerateOptions(), silent)
    assert (good.text, good.missing) == ("re: good", None)
    assert (bad.text, bad.finished) == ("", False)
    assert reason in bad.missing
    assert len(server.bodies) == 4, "one request for the good one, three for the bad one"
    assert len(waits) == 2
    assert waits == [7, 7] or "429" not in reason


def test_a_server_that_hangs_is_given_up_after_the_time(serve):
    def hang(question, number):
        server.closing.wait(5)
        return said("too late")

    server = serve(lambda question, number: hang(question, number) if question == "bad" else said("yes"), ["m"])
    model, _ = connected(server, served_timeout=0.2, served_retries=1)
    good, bad = model(["good", "bad"], GenerateOptions(), silent)
    assert good.text == "yes"
    assert bad.missing == "the served model did not answer within 0.2 s"


def test_a_prompt_that_the_server_refuses_is_missing_and_not_asked_again(serve):
    server = serve(lambda question, number: failed(400, "too long") if question == "bad" else said("yes"), ["m"])
    model, _ = connected(server)
    _, bad = model(["good", "bad"], GenerateOptions(), silent)
    assert "too long" in bad.missing
    assert len(server.bodies) == 2


def test_no_response_at_all_stops_with_one_sentence(serve):
    model, _ = connected(serve(lambda question, number: failed(400, "no template"), ["m"]))
    with pytest.raises(ValueError, match=r"'m' at http.* gave none of 2 responses \(the first: .*no template"):
        model(["a", "b"], GenerateOptions(), silent)


def test_a_server_that_is_down_stops_the_command_and_the_log_keeps_what_came(serve, tmp_path):
    down = [False]
    server = serve(lambda question, number: failed(500) if down[0] else said(f"re: {question}"), ["m"])
    model, _ = connected(server, served_retries=0, served_concurrency=1)
    log = ResponseLog(tmp_path / "responses.jsonl")
    model(["0", "1"], GenerateOptions(), silent, log)
    down[0] = True
    prompts = [str(number) for number in range(12)]
    with pytest.raises(ConnectionError, match=r"the served model at .* left 8 prompts in a row without an answer"):
        model(prompts, GenerateOptions(), silent, ResponseLog(log.path))
    down[0] = False
    before = len(server.bodies)
    responses = model(prompts, GenerateOptions(), silent, ResponseLog(log.path))
    assert [response.text for response in responses] == [f"re: {prompt}" for prompt in prompts]
    assert len(server.bodies) - before == 10, "the first two are in the log, and a missing response is not"


def test_the_only_model_is_taken_and_one_of_several_is_chosen(serve):
    assert connected(serve(echo, ["only"]))[0].name == "only"
    several = serve(echo, ["first", "second"])
    assert connected(several, served_model="second")[0].name == "second"
    with pytest.raises(ValueError, match=r"has 2 models \(first, second\); choose one with --served-model"):
        connected(several)
    with pytest.raises(ValueError, match=r"has no model 'secnd'; did you mean 'second'"):
        connected(several, served_model="secnd")


@pytest.mark.parametrize("models", [None, [], Reply(200, '{"data": ['), Reply(200, '{"data": [{"id": 3}]}')])
def test_a_server_that_names_no_model_needs_a_name(serve, models):
    server = serve(echo, models)
    with pytest.raises(ValueError, match=r"names no model in its list .*; give the model's name with --served-model"):
        connected(server, served_retries=0)
    assert connected(server, served_model="mine", served_retries=0)[0].name == "mine"


def test_the_part_v1_of_the_address_may_be_left_out(serve):
    server = serve(echo, ["m"])
    model = connect(ServedOptions(served=server.base_url.removesuffix("/v1")), GenerateOptions())
    assert model.address == server.base_url
    assert [response.text for response in model(["a"], GenerateOptions(), silent)] == ["re: a"]


def test_a_wrong_or_missing_key_is_told_and_the_key_comes_from_its_variable_alone(serve, monkeypatch):
    refusing = serve(echo, failed(401, "no"))
    with pytest.raises(ConnectionError, match=r"asks for a key; put it into the environment variable SERVED_API_KEY"):
        connected(refusing)
    monkeypatch.setenv("MY_KEY", KEY)
    with pytest.raises(ConnectionError, match="refused the key in MY_KEY"):
        connected(refusing, served_key_variable="MY_KEY")
    server = serve(lambda question, number: said(f"the key is {KEY}"), ["m"])
    model, _ = connected(server, served_key_variable="MY_KEY")
    (response,) = model(["a"], GenerateOptions(), silent)
    assert server.headers[-1]["authorization"] == f"Bearer {KEY}"
    assert response.text == "the key is [key]"


def test_nobody_listening_is_told(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    said = r"nothing answers at http://127\.0\.0\.1:9/v1, where the served model should be; .* or correct --served\."
    with pytest.raises(ConnectionError, match=said):
        connect(ServedOptions(served="http://127.0.0.1:9/v1"), GenerateOptions())


def test_a_response_cannot_begin_with_a_given_text(serve):
    model, _ = connected(serve(echo, ["m"]))
    with pytest.raises(ValueError, match="leave the prefill out"):
        model(["a"], GenerateOptions(), silent, openings=["Sure"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"served": f"https://me:{KEY}@host/v1"}, "served holds a user name or a query"),
        ({"served": "localhost:8000"}, "served does not begin with http"),
        ({"served_model": "m"}, "served_model has no effect without served"),
        ({"served_sampling": "server"}, "served_sampling has no effect without served"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(options, sentence):
    with pytest.raises(OptionsError, match=sentence) as refused:
        ServedOptions(**options)
    assert KEY not in str(refused.value)
