"""Reports of a gate from a script: the same as those of the command, and refusals in one sentence."""

import re
from xml.etree import ElementTree

import pytest

import holdfast
from holdfast import save_gate
from holdfast.artifacts import save_evaluation
from tests.evaluate.constructed import SETTINGS, aligned, held_fast, plainly_tuned
from tests.evaluate.logs.constructed import inspect_log

CONDITIONS = ["asr > before + 0.02", "utility < 0.1"]


def sides(unsafe=24):
    named = [SETTINGS | {"model": {"name": name, "fingerprint": name * 20}} for name in ("old", "new")]
    return aligned(made_by=named[0]), (plainly_tuned if unsafe == 24 else held_fast)(made_by=named[1])


def made(fail_if=CONDITIONS):
    return holdfast.compare(*sides(), fail_if)


def test_each_suffix_has_its_report(tmp_path):
    for name in ("gate.md", "gate.xml", "new/gate.html"):
        save_gate(tmp_path / name, made())
    text = (tmp_path / "gate.md").read_text()
    assert text.startswith("## holdfast compare: the gate failed: 1 of 2 conditions is met")
    assert f"- Before: `old`, fingerprint `{'old' * 20}`\n" in text, "an evaluation in memory has no file"
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    page = (tmp_path / "new/gate.html").read_text()
    assert ">The gate failed: attack success rate rose from 0.00 to 0.12 (exit code 1).</h1>" in page
    assert "None" not in re.sub(r"<style>.*</style>", "", page, flags=re.DOTALL)


def test_files_of_both_sides_are_named(tmp_path):
    for name, make in (("before", aligned), ("after", plainly_tuned)):
        save_evaluation(tmp_path / f"{name}.json", make())
    gate = holdfast.compare(tmp_path / "before.json", str(tmp_path / "after.json"), CONDITIONS)
    save_gate(tmp_path / "gate.md", gate)
    assert f"from `{tmp_path}/before.json`" in (tmp_path / "gate.md").read_text()
    assert f"`holdfast show {tmp_path}/after.json` shows responses" in (tmp_path / "gate.md").read_text()


def test_logs_of_other_programs_have_reports_too(tmp_path):
    logs = [inspect_log(tmp_path / f"{name}.json", "C" * count) for name, count in (("before", 20), ("after", 19))]
    gate = holdfast.compare(*logs, fail_if=["includes < before - 0.9"], allow_mismatch=True)
    save_gate(tmp_path / "gate.html", gate)
    page = (tmp_path / "gate.html").read_text()
    assert "19 of 20 samples before match 19 of 19 after" in page
    assert str(tmp_path / "before.json") in page


def test_responses_are_listed_only_if_asked_for(tmp_path):
    save_gate(tmp_path / "none.html", made())
    save_gate(tmp_path / "some.html", made(), responses=2)
    assert 'class="example"' not in (tmp_path / "none.html").read_text()
    assert (tmp_path / "some.html").read_text().count('class="example"') == 2


def test_reports_of_python_name_arguments_and_no_option_of_the_command_line(tmp_path):
    opened = holdfast.compare(*sides(1), ["asr > before"])
    for name, gate in (("met", made()), ("open", opened), ("none", made(()))):
        for suffix in (".md", ".html"):
            save_gate(tmp_path / f"{name}{suffix}", gate)
            text = re.sub(r"<style>.*</style>", "", (tmp_path / f"{name}{suffix}").read_text(), flags=re.DOTALL)
            named = [option for option in re.findall(r"--[a-z][\w-]+", text) if option not in ("--method", "--prompt")]
            assert named == [], f"{name}{suffix}"
    assert "`responses=20` lists up to 20 here" in (tmp_path / "met.md").read_text()


def test_changed_prompts_after_the_fifth_are_folded(tmp_path):
    for number, folded in ((5, 0), (7, 1)):
        save_gate(tmp_path / f"{number}.html", made(), responses=number)
        page = (tmp_path / f"{number}.html").read_text()
        assert page.count('class="example"') == number
        assert page.count("<summary>2 more</summary>") == folded


def test_an_existing_report_is_kept_unless_the_caller_allows_to_replace_it(tmp_path):
    path = tmp_path / "gate.md"
    path.write_text("mine")
    with pytest.raises(ValueError, match="exists already; choose another path, or give overwrite=True"):
        save_gate(path, made())
    assert path.read_text() == "mine"
    save_gate(path, made(), overwrite=True)
    assert path.read_text() != "mine"


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("gate.txt", {}, r"gate.txt' names no kind of report; end it with .md, .xml or .html\.$"),
        ("gate.md", {"responses": 21}, r"responses is 21; give a whole number from 0 to 20\.$"),
        ("gate.md", {"responses": True}, r"responses is True; give"),
        ("gate.xml", {"responses": 1}, r"JUnit XML lists no responses; leave out"),
    ],
)
def test_what_no_report_can_be_is_one_sentence(name, options, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        save_gate(tmp_path / name, made(), **options)
    assert not list(tmp_path.iterdir())


def test_a_gate_without_conditions_has_no_junit_and_another_object_no_report(tmp_path):
    with pytest.raises(ValueError, match=r"this comparison has none; give fail_if to `compare`\.$"):
        save_gate(tmp_path / "gate.xml", made(()))
    with pytest.raises(ValueError, match=r"Gate was expected, got Evaluation; give what `compare` returns\.$"):
        save_gate(tmp_path / "gate.md", aligned())
    with pytest.raises(ValueError, match=r"a file for the report was expected, got Gate; give a path"):
        save_gate(made(), tmp_path / "gate.md")
