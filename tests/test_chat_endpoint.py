"""An endpoint that is slow, busy, broken or hostile: the answer in the end, or why there is none."""

import logging
import time
from email.utils import formatdate

import pytest

from holdfast.chat_endpoint import ChatEndpoint, NoAnswerError
from holdfast.endpoint_options import EndpointOptions
from holdfast.wrong_options import OptionsError
from tests.judge.chat_server import KEY, Reply, failed, said

pytest.importorskip("openai", reason="the extra api is not installed")


def asking(server, **options):
    """An endpoint whose waits are noted instead of waited."""
    waits = []
    given = {"base_url": server.base_url, **options}
    return ChatEndpoint("stub", EndpointOptions.model_validate(given), sleep=waits.append), waits


def in_turn(*replies):
    """The replies one after the other, the last for good."""
    return lambda question, number: replies[min(number, len(replies) - 1)]


def test_a_question_is_one_user_message_with_the_key_as_header(serve):
    server = serve(in_turn(said("yes")))
    endpoint, _ = asking(server)
    assert endpoint.ask("well?") == "yes"
    assert server.bodies == [
        {"model": "stub", "messages": [{"role": "user", "content": "well?"}], "temperature": 0.0, "max_tokens": 512}
    ]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_what_an_endpoint_does_not_take_can_be_left_out(serve):
    server = serve(in_turn(said("yes")))
    endpoint, _ = asking(server, temperature="none", token_field="max_completion_tokens", max_answer_tokens=9)
    endpoint.ask("well?")
    assert {"model", "messages", "max_completion_tokens"} == server.bodies[0].keys()
    assert server.bodies[0]["max_completion_tokens"] == 9


def test_a_busy_endpoint_is_asked_again_after_the_seconds_that_it_names(serve):
    server = serve(in_turn(failed(429, retry_after="7"), failed(429, retry_after="0.5"), said("yes")))
    endpoint, waits = asking(server)
    assert endpoint.ask("well?") == "yes"
    assert waits == [7, 0.5]


def test_a_date_to_retry_after_is_waited_for(serve):
    server = serve(in_turn(failed(503, retry_after=formatdate(time.time() + 100, usegmt=True)), said("yes")))
    endpoint, waits = asking(server)
    endpoint.ask("well?")
    assert waits == [pytest.approx(100, abs=5)]  # dates have whole seconds, and the request takes some


@pytest.mark.parametrize("useless", ["soon", "nan", ""])
def test_errors_of_the_server_are_waited_out_ever_longer_with_jitter(serve, useless):
    server = serve(in_turn(*[failed(500, retry_after=useless)] * 4, said("yes")))
    endpoint, waits = asking(server)
    assert endpoint.ask("well?") == "yes"
    assert len(waits) == 4
    assert all(2**attempt / 2 <= wait <= 2**attempt for attempt, wait in enumerate(waits))
    assert len({wait / 2**attempt for attempt, wait in enumerate(waits)}) == 4


def test_a_question_is_given_up_after_the_retries(serve):
    server = serve(in_turn(failed(500, "out of order")))
    endpoint, waits = asking(server, retries=2)
    with pytest.raises(NoAnswerError, match=r"failed with .*500.*out of order"):
        endpoint.ask("well?")
    assert (len(server.bodies), len(waits)) == (3, 2)


def test_a_server_that_asks_for_an_hour_is_given_up_on(serve):
    server = serve(in_turn(failed(429, retry_after="3600"), said("yes")))
    endpoint, waits = asking(server)
    with pytest.raises(NoAnswerError, match="429"):
        endpoint.ask("well?")
    assert waits == []


def test_a_time_out_is_tried_again_and_then_told_of(serve):
    def hang(question, number):
        server.closing.wait(5)
        return said("too late")

    server = serve(hang)
    endpoint, waits = asking(server, timeout=0.1, retries=1)
    with pytest.raises(NoAnswerError, match=r"did not answer within 0\.1 s"):
        endpoint.ask("well?")
    assert len(waits) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, '{"id": "1", "choices": [{"mess'),
        Reply(200, '{"error": {"message": "overloaded"}}'),
        Reply(200, '{"choices": []}'),
        Reply(200, "<html>busy</html>", {"content-type": "text/html"}),
        Reply(200, "[]"),
    ],
    ids=["half a JSON", "an error", "no choice", "a page", "a list"],
)
def test_a_reply_that_is_no_completion_is_asked_for_again(serve, reply):
    server = serve(in_turn(reply, said("yes")))
    endpoint, waits = asking(server)
    assert endpoint.ask("well?") == "yes"
    assert len(waits) == 1
    only, _ = asking(serve(in_turn(reply)), retries=0)
    with pytest.raises(NoAnswerError, match="the endpoint's reply"):
        only.ask("well?")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (failed(400, "content filter"), "refused the question with .*content filter"),
        (failed(403, "moderated"), "refused the question with .*moderated"),
        (said(None, refusal="I won't."), 'refused to answer: "I won\'t."'),
        (said(None), r"reply has no content \(it ended with 'stop'\)"),
        (said("  \n"), "answer is empty"),
        (said([{"type": "text"}]), "reply has no content"),
    ],
)
def test_a_question_that_is_refused_is_not_asked_again(serve, reply, reason):
    server = serve(in_turn(reply))
    endpoint, _ = asking(server)
    with pytest.raises(NoAnswerError, match=reason):
        endpoint.ask("well?")
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "refused the key in OPENAI_API_KEY"),
        (404, "there is no judge 'stub' at http://127.0.0.1:.*api.base_url"),
    ],
)
def test_a_wrong_key_or_model_stops_all(serve, status, sentence):
    endpoint, _ = asking(serve(in_turn(failed(status))))
    with pytest.raises(ConnectionError, match=sentence):
        endpoint.ask("well?")


def test_an_endpoint_that_is_down_stops_all_after_eight_questions_in_a_row(serve):
    endpoint, _ = asking(serve(lambda question, number: said("yes") if number == 5 else failed(500)), retries=0)
    for _ in range(5):
        with pytest.raises(NoAnswerError):
            endpoint.ask("well?")
    assert endpoint.ask("well?") == "yes"
    for _ in range(7):
        with pytest.raises(NoAnswerError):
            endpoint.ask("well?")
    with pytest.raises(ConnectionError, match=r"left 8 questions in a row without an answer .*run the same command"):
        endpoint.ask("well?")


def test_nobody_listening_is_no_answer(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    waits = []
    endpoint = ChatEndpoint("stub", EndpointOptions(base_url="http://127.0.0.1:9/v1"), sleep=waits.append)
    for _ in range(2):
        with pytest.raises(
            ConnectionError, match=r"nothing answers at http://127\.0\.0\.1:9/v1, where the judge 'stub'"
        ):
            endpoint.ask("well?")
    assert waits == [], "the first connection fails at once, and nothing is asked again"


def test_a_connection_that_fails_behind_an_answer_leaves_one_question_without(serve, monkeypatch):
    endpoint, _ = asking(serve(in_turn(said("yes"))), retries=0)
    endpoint.ask("well?")
    monkeypatch.setattr(
        endpoint, "_client", ChatEndpoint("stub", EndpointOptions(base_url="http://127.0.0.1:9/v1"))._client
    )
    with pytest.raises(NoAnswerError, match="connection to the judge failed"):
        endpoint.ask("well?")


def test_the_budget_counts_every_request_and_stops_there(serve):
    server = serve(in_turn(failed(500), said("yes")))
    endpoint, _ = asking(server, max_requests=3)
    assert [endpoint.ask("well?"), endpoint.ask("well?")] == ["yes", "yes"]
    with pytest.raises(NoAnswerError, match="the budget of 3 requests is spent"):
        endpoint.ask("well?")
    assert len(server.bodies) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_server_that_gives_the_key_back_has_it_in_no_message_or_log(serve, caplog, status):
    caplog.set_level(logging.DEBUG)
    endpoint, _ = asking(serve(in_turn(failed(status, f"wrong key {KEY}"))), retries=0)
    with pytest.raises((NoAnswerError, ConnectionError)) as refused:
        endpoint.ask("well?")
    assert KEY not in str(refused.value) + caplog.text + repr(vars(endpoint)["options"])
    assert ("[key]" in str(refused.value)) == (status != 401)


def test_a_judge_that_gives_the_key_back_has_it_in_no_answer(serve):
    endpoint, _ = asking(serve(in_turn(said(f"your key is {KEY}"))))
    assert endpoint.ask("well?") == "your key is [key]"


def test_a_missing_key_is_named_and_another_variable_can_hold_it(serve, monkeypatch):
    server = serve(in_turn(said("yes")))
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    with pytest.raises(ValueError, match=r"variable OPENAI_API_KEY, which is not set; .*api\.key_variable"):
        asking(server)
    monkeypatch.setenv("JUDGE_KEY", "other")
    asking(server, key_variable="JUDGE_KEY")[0].ask("well?")
    assert server.headers[0]["authorization"] == "Bearer other"


def test_a_missing_package_is_named(serve, monkeypatch):
    server = serve(in_turn(said("yes")))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package openai; install it with pip install openai"):
        asking(server)


@pytest.mark.parametrize("address", [f"https://me:{KEY}@host/v1", f"https://host/v1?key={KEY}", f"{KEY}"])
def test_an_address_with_a_secret_is_refused(address):
    with pytest.raises(OptionsError, match="base_url") as refused:
        EndpointOptions(base_url=address)
    assert KEY not in str(refused.value)
