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
    assert result["kinds"] == {"unknown": 2}
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


def test_the_kind_of_a_file_is_unknown_until_it_has_a_role(capsys, tmp_path):
    (tmp_path / "benign.csv").write_text("prompt\nmend it\n")
    shown = printed(capsys, "show", str(tmp_path / "benign.csv"))
    assert "kind unknown" in shown
    assert "The file does not say which kind its prompts are. The option that reads it decides" in shown
    assert "harmful" not in shown.partition("The file does not say")[0]
    shown = printed(capsys, "show", str(tmp_path / "benign.csv"), "--role", "harmless")
    assert "kind harmless" in shown
    assert "unknown" not in shown


def test_prompts_that_a_file_labels_are_counted_by_their_labels(capsys, tmp_path):
    rows = "mend it,safe\nbreak it,unsafe\nfly it,safe\nhide it,safe\n"
    (tmp_path / "both.csv").write_text(f"goal,label\n{rows}")
    name = f"{tmp_path / 'both.csv'}#first=3"
    assert json.loads(printed(capsys, "show", name, "--json"))["kinds"] == {"labelled safe": 2, "labelled harmful": 1}
    shown = printed(capsys, "show", name)
    assert "The file labels its prompts. --harmful of `evaluate` reads those labelled harmful" in shown
    assert "unknown" not in shown
    assert json.loads(printed(capsys, "show", name, "--role", "harmful", "--json"))["kinds"] == {"harmful": 1}


def test_a_title_does_not_wrap_to_the_width_of_its_table(capsys, tmp_path):
    file = tmp_path / f"{'long_' * 20}name.csv"
    file.write_text("prompt\nmend it\n")
    assert printed(capsys, "show", str(file)).splitlines()[0] == str(file)


def test_what_the_reader_decides_is_told_once_and_is_in_the_json(capsys, tmp_path, caplog):
    (tmp_path / "both.csv").write_text("goal,label\nmend it,safe\nbreak it,unsafe\nbreak it,unsafe\n")
    path = str(tmp_path / "both.csv")
    result = json.loads(printed(capsys, "show", path, "--role", "harmful", "--against", path, "--json"))
    assert result["prompts"] == 1
    told = [record.message for record in caplog.records]
    assert [sentence.partition(": ")[2] for sentence in result["notes"]] == [
        "column 'label' marks 2 of 3 prompts as harmful, and only these are read; FILE#rows=all reads every row.",
        "reads prompt from 'goal'; to read another column, give FILE#prompt=COLUMN.",
        "prompts that repeat another one are left out, so that each counts once: 1.",
    ]
    assert told == result["notes"]
    caplog.clear()
    assert "notes" not in json.loads(printed(capsys, "show", "testbed:harmless", "--json"))
    assert not caplog.records


def test_quiet_tells_nothing(capsys, tmp_path, caplog):
    (tmp_path / "goals.csv").write_text("goal\nmend it\n")
    assert call(["-q", "prompts", "show", str(tmp_path / "goals.csv")]) == 0
    assert not caplog.records
