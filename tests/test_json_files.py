import pytest

from holdfast.json_files import load_json, parse_json, save_text


def test_json_is_parsed_as_ever():
    text = '{"a": [1, 2.5, null, true, {"a": "\\u00e9}\\""}], "b": {"a": "a: b"}}'
    assert parse_json(text) == {"a": [1, 2.5, None, True, {"a": 'é}"'}], "b": {"a": "a: b"}}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"a": 1, "a": 2}', 1),
        ('{"a": 1,\n "b": {"c": 1},\n "a": 2}', 3),
        ('{"b": "\\"a\\": {",\n "x": {"c": 1,\n\n "c": 2}}', 4),
        ('[{"a": "a"},\n {"a": ["a", "a"],\n "a": 1}]', 3),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_its_line(tmp_path, text, line):
    with pytest.raises(ValueError, match=rf"line {line} has the key '\w' a second time; keep one of the two"):
        parse_json(text)
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(ValueError, match=rf"could not be read as JSON: line {line} has the key"):
        load_json(tmp_path / "settings.json")


def test_a_file_that_cannot_be_written_is_named_as_given_and_not_as_its_unfinished_file(tmp_path):
    (tmp_path / "note.txt.partial").mkdir()
    with pytest.raises(IsADirectoryError) as refused:
        save_text(tmp_path / "note.txt", "text")
    assert refused.value.filename == str(tmp_path / "note.txt")
