import hashlib

import pytest

from holdfast.pipeline.inputs import file_hash, suite_hashes
from holdfast.pipeline.options import SuiteFiles
from holdfast.prompts import locate
from holdfast.prompts.known import KNOWN


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("prompt,goal,label\nmend it,fly it,safe\n")
    return path


def test_the_hash_of_a_file_is_that_of_its_bytes(table):
    assert file_hash(str(table)) == hashlib.sha256(table.read_bytes()).hexdigest()
    assert suite_hashes(SuiteFiles(harmless=str(table)))["harmless"] == [file_hash(str(table))]


def test_other_columns_or_rows_of_the_same_bytes_have_another_hash(table, monkeypatch):
    monkeypatch.setattr(locate, "fetch", lambda known: table)
    assert KNOWN["xstest"].file == KNOWN["xstest_unsafe"].file
    names = [str(table), f"{table}#prompt=goal", f"{table}#prompt=prompt", "xstest", "xstest_unsafe"]
    hashes = [file_hash(name) for name in names]
    assert len(set(hashes)) == len(names)
    assert [file_hash(name) for name in names] == hashes


def test_a_set_whose_rows_are_left_out_has_a_hash_of_its_own_in_every_use(tmp_path):
    both = tmp_path / "both.csv"
    both.write_text("prompt,label\nmend it,safe\nbreak it,unsafe\n")
    hashes = suite_hashes(SuiteFiles(harmful=(str(both),), harmless=str(both), questions=f"{both}#rows=all"))
    made = [*hashes["harmful"], *hashes["harmless"], *hashes["questions"], file_hash(str(both))]
    assert len(set(made)) == 4
    repeated = tmp_path / "repeated.jsonl"
    repeated.write_text('{"prompt": "a"}\n{"prompt": "a"}\n')
    assert suite_hashes(SuiteFiles(harmless=str(repeated)))["harmless"] != [file_hash(str(repeated))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("testbed:harmless", "43573461"),
        ("testbed:harmless#first=3", "53343093"),
        ("table.csv", "70b335aa"),
        ("table.csv#prompt=goal", "fcd967b5"),
        ("table.csv#prompt=goal&first=1", "7f164f1c"),
        ("xstest", "7f657210"),
    ],
)
def test_hashes_are_those_of_earlier_versions(tmp_path, monkeypatch, name, expected):
    file = tmp_path / "table.csv"
    file.write_text("prompt,goal,label,type\nmend it,fly it,safe,x\n")
    monkeypatch.setattr(locate, "fetch", lambda known: file)
    monkeypatch.chdir(tmp_path)
    (found,) = suite_hashes(SuiteFiles(borderline=name))["borderline"]
    assert found[:8] == expected  # as earlier versions give it
