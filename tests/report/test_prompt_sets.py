"""Prompt sets as they are published: no folder and no prompt, and licences where they are known."""

import pytest

from holdfast.prompts.known import KNOWN
from holdfast.report.prompt_sets import described, public_name


def entry(name, **more):
    return {"name": name, "sha256": "abc", "prompts": 8} | more


def test_a_public_set_has_its_licence_source_and_revision():
    (found,) = described({"harmful": [entry("jailbreakbench#first=8")]})
    known = KNOWN["jailbreakbench"]
    assert (found["name"], found["part"], found["set"]) == ("jailbreakbench", "first=8", "jailbreakbench")
    assert (found["licence"], found["source"], found["revision"]) == ("MIT", known.url, known.revision)
    assert (found["measure"], found["prompts"], found["sha256"]) == ("harmful", 8, "abc")


def test_a_copy_of_a_public_file_is_known_by_its_bytes():
    (found,) = described({"harmful": [entry("mine/adv.csv", file_sha256=KNOWN["advbench"].sha256)]})
    assert (found["name"], found["set"], found["licence"]) == ("adv.csv", "advbench", "MIT")


def test_of_another_file_no_licence_is_claimed():
    (found,) = described({"harmful": [entry("mine/adv.csv", file_sha256="0")]})
    assert [found[key] for key in ("set", "licence", "source", "revision", "paper")] == [None] * 5


def test_a_built_in_set_has_the_packages_licence():
    assert described({"task": [entry("testbed:task_evaluation")]})[0]["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("/home/me/secret/adv.csv#prompt=goal", "adv.csv#prompt=goal"),
        ("C:\\me\\adv.csv", "adv.csv"),
        ("testbed:harmful_seen#first=8", "testbed:harmful_seen#first=8"),
        ("harmbench", "harmbench"),
    ],
)
def test_folders_are_left_out_of_names(given, shown):
    assert public_name(given) == shown
