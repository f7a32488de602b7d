import socket
import time
from threading import Event

import pytest

from holdfast.reachable import why_silent, why_unreachable
from tests.judge.chat_server import ChatServer, said

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_host_that_takes_connections_is_reachable(listening):
    assert why_unreachable(f"http://127.0.0.1:{listening}/v1") is None


def test_a_port_where_nobody_listens_is_told_at_once():
    began = time.monotonic()
    assert "127.0.0.1 takes no connection" in (why_unreachable("http://127.0.0.1:9/v1") or "")
    assert time.monotonic() - began < 2


def test_a_name_without_an_address_is_told(monkeypatch):
    def no_address(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    assert why_unreachable("https://nowhere.invalid/x") == "the address of nowhere.invalid is not known"


@pytest.mark.parametrize("stuck", ["getaddrinfo", "create_connection"])
def test_whatever_hangs_is_given_up_on_in_time(monkeypatch, stuck):
    released = Event()

    def hang(*_, **__):
        released.wait(5)
        raise OSError("released")

    monkeypatch.setattr(socket, stuck, hang)
    began = time.monotonic()
    assert why_unreachable("http://127.0.0.1:9", seconds=0.2) == "127.0.0.1 does not answer within 0.2 s"
    assert time.monotonic() - began < 2
    released.set()


def test_a_server_that_takes_a_connection_and_says_nothing_is_silent(listening):
    began = time.monotonic()
    told = why_silent(f"http://127.0.0.1:{listening}/v1/models", seconds=0.2)
    assert told == "127.0.0.1 does not reply within 0.2 s"
    assert time.monotonic() - began < 2
    assert "takes no connection" in (why_silent("http://127.0.0.1:9/v1/models") or "")


def test_any_reply_is_a_reply():
    with ChatServer(lambda question, asked: said("yes")).running() as server:
        assert why_silent(f"{server.base_url}/models") is None


def test_behind_a_proxy_the_proxy_is_tried_unless_the_host_is_exempt(monkeypatch, listening):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listening}")
    assert why_unreachable("https://nowhere.invalid/x") is None
    monkeypatch.setenv("https_proxy", "127.0.0.1:9")
    assert "127.0.0.1 takes no connection" in (why_unreachable("https://nowhere.invalid/x") or "")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert why_unreachable(f"https://127.0.0.1:{listening}/x") is None
