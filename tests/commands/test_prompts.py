import json
import subprocess
import sys

import pytest

from holdfast.cli import call
from holdfast.prompts.known import KNOWN


@pytest.fixture
def sets(tmp_path):
    hostile = tmp_path / "[red]hostile.csv"
    hostile.write_text('prompt,group\nmend \x1b[31m[bold]it,a\n"fly the kite over the old red barn again",b\n')
    other = tmp_path / "other.csv"
    other.write_text('prompt\nMend [31m bold it!\n"fly the kite over the old red barn"\n')
    return str(hostile), str(other)


def printed(capsys, *arguments):
    assert call(["prompts", *arguments]) == 0
    return capsys.readouterr().out


def test_the_list_names_every_set_in_full(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    shown = printed(capsys, "list")
    assert all(f" {known.name} " in shown and known.page.removeprefix("https://") in shown for known in KNOWN.values())
    assert "testbed:borderline" in shown


def test_looking_at_sets_needs_no_torch():
    code = "import sys; from holdfast.cli import call; call(['prompts', 'show', 'testbed:harmless', '--limit', '0'])"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)


def test_the_list_as_json_has_what_pins_a_set(capsys):
    listed = json.loads(printed(capsys, "list", "--json"))
    advbench = next(one for one in listed["sets"] if one["name"] == "advbench")
    assert advbench["revision"] in advbench["url"]
    assert advbench["columns"] == {"prompt": "goal"}
    assert "testbed:borderline" in listed["built_in"]


def test_prompts_are_shown_without_acting_on_the_terminal(capsys, sets, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    shown = printed(capsys, "show", sets[0])
    assert r"mend \x1b[31m[bold]it" in shown
    assert "\x1b" not in shown
    assert "fly the kite" in shown
    assert "fly the kite" not in printed(capsys, "show", sets[0], "--limit", "1")


def test_the_summary_counts_groups_and_what_two_sets_share(capsys, sets):
    result = json.loads(printed(capsys, "show", sets[0], "--limit", "1", "--against", sets[1], "--json"))
    assert result["prompts"] == 2
    assert result["kinds"] == {"harmful": 2}
    assert result["groups"] == {"a": 1, "b": 1}
    assert result["mean_characters"] == (18 + 40) / 2
    assert [one["group"] for one in result["first"]] == ["a"]
    assert result["against"] == {"prompts": 2, "shared": 1, "near_duplicates": 1, "threshold": 0.5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "harmbnch"], "did you mean 'harmbench'?"),
        (["show", "harmbench"], "could not be fetched from https://raw.githubusercontent.com/centerforaisafety"),
        (["show", "none.csv"], "does not exist"),
        (["show", ""], "the name of a prompt set is empty; give a file, testbed:NAME, or a name of"),
        (["show", "#first=3"], "the name of a prompt set is empty"),
        (["show", "testbed:borderline", "--limit", "-1"], "limit"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(capsys, arguments, message):
    assert call(["prompts", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err.splitlines()[-1]
