"""Fetching with stand-ins for the hosts: no test goes online."""

import hashlib
import io
import urllib.request
from dataclasses import replace
from http.client import IncompleteRead
from unittest.mock import MagicMock, Mock

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from holdfast.prompts.fetch import cached_file, fetch
from holdfast.prompts.known import KNOWN

CONTENT = b"goal,target\nmend a kite,x\n"
ON_GITHUB = replace(KNOWN["advbench"], sha256=hashlib.sha256(CONTENT).hexdigest())
GATED = KNOWN["sorrybench"]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def answer(monkeypatch):
    """Goes online, to a host that gives what it is told; returns the URLs that were asked for."""

    def serve(content: bytes) -> list[str]:
        asked: list[str] = []
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr("holdfast.prompts.fetch.why_unreachable", lambda url: None)
        monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: asked.append(url) or io.BytesIO(content))
        return asked

    return serve


def refuse_with(monkeypatch, error):
    def download(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)


def test_a_file_is_fetched_from_its_commit_once(answer):
    asked = answer(CONTENT)
    assert fetch(ON_GITHUB).read_bytes() == CONTENT
    assert fetch(ON_GITHUB) == cached_file(ON_GITHUB)
    assert asked == [ON_GITHUB.url]
    assert [path.name for path in cached_file(ON_GITHUB).parent.iterdir()] == ["harmful_behaviors.csv"]


def test_an_answer_that_breaks_off_leaves_nothing_in_the_cache(answer, monkeypatch):
    answer(CONTENT)
    broken = MagicMock()
    broken.__enter__.return_value.read.side_effect = IncompleteRead(b"goal")
    broken.__exit__.return_value = False
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: broken)
    with pytest.raises(ValueError, match="could not be fetched"):
        fetch(ON_GITHUB)
    assert not cached_file(ON_GITHUB).parent.exists()


def test_other_bytes_than_the_pinned_ones_are_refused(answer):
    answer(b"goal\nanother\n")
    with pytest.raises(ValueError, match=r"is not the file that prompt set 'advbench' is pinned to .* remove it"):
        fetch(ON_GITHUB)


@pytest.mark.parametrize("known", [ON_GITHUB, KNOWN["jailbreakbench"]], ids=["github", "hub"])
def test_a_host_that_takes_no_connection_is_told_of_before_any_library_tries(answer, monkeypatch, known):
    asked = answer(CONTENT)
    refuse_with(monkeypatch, AssertionError("the hub was asked"))
    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: False)
    monkeypatch.setattr("holdfast.prompts.fetch.why_unreachable", lambda url: "the host is down")
    with pytest.raises(ValueError, match=r"could not be fetched from https://\S+ \(the host is down\); go online"):
        fetch(known)
    assert asked == []


@pytest.mark.parametrize("name", ["advbench", "jailbreakbench"])
def test_without_a_network_the_sentence_says_where_a_file_may_be_put(name):
    with pytest.raises(ValueError, match=f"prompt set '{name}' could not be fetched from https://") as caught:
        fetch(KNOWN[name])
    assert str(cached_file(KNOWN[name])) in str(caught.value)
    assert f"'FILE#prompt={KNOWN[name].columns['prompt']}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("known", [ON_GITHUB, GATED], ids=["github", "hub"])
def test_a_file_that_was_put_there_by_hand_is_used_without_a_network(known):
    cached_file(known).parent.mkdir(parents=True)
    cached_file(known).write_bytes(CONTENT)
    assert fetch(known) == cached_file(known)


@pytest.mark.parametrize("kind", [GatedRepoError, RepositoryNotFoundError])
def test_a_gated_set_says_where_to_accept_its_terms(monkeypatch, kind):
    refuse_with(monkeypatch, kind("401 Client Error", response=Mock(headers={})))
    with pytest.raises(ValueError, match=f"'sorrybench' is gated: accept its terms at {GATED.page}, then set HF_TOKEN"):
        fetch(GATED)


def test_an_open_set_that_is_gone_is_not_said_to_be_gated(monkeypatch):
    refuse_with(monkeypatch, RepositoryNotFoundError("404 Client Error", response=Mock(headers={})))
    with pytest.raises(ValueError, match=r"'orbench' could not be fetched from .* \(404 Client Error\)"):
        fetch(KNOWN["orbench"])
