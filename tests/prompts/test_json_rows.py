import json

import pytest

from holdfast.prompts.json_rows import json_rows


@pytest.fixture
def rows(tmp_path):
    """Reads what a file of that text holds."""

    def read(text: str):
        path = tmp_path / "prompts.json"
        path.write_text(text, encoding="utf-8", newline="")
        return list(json_rows(path))

    return read


PROMPTS = [{"prompt": "a"}, {"prompt": "b"}]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_an_array_is_read_by_its_items_in_one_line_and_in_several(rows, indent, mark):
    assert rows(mark + json.dumps(PROMPTS, indent=indent)) == [("item 1", PROMPTS[0]), ("item 2", PROMPTS[1])]


def test_an_array_of_texts_holds_prompts(rows):
    assert [row for _, row in rows('["a", "b"]')] == PROMPTS


@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_of_arrays_is_grouped_by_its_outermost_keys(rows, indent):
    nested = {"Adult": {"x": ["a", "b"], "y": ["c"]}, "Fraud": {"z": ["d"]}}  # CatQA
    found = [(row["prompt"], row["group"]) for _, row in rows(json.dumps(nested, indent=indent))]
    assert found == [("a", "Adult"), ("b", "Adult"), ("c", "Adult"), ("d", "Fraud")]


def test_a_single_outer_key_groups_nothing(rows):
    assert [row for _, row in rows('{"data": {"a": ["x"], "b": [{"prompt": "y", "group": "own"}]}}')] == [
        {"group": "a", "prompt": "x"},
        {"group": "own", "prompt": "y"},
    ]
    assert [row for _, row in rows('{"prompts": ["a", "b"]}')] == PROMPTS


def test_one_object_over_several_lines_is_a_row(rows):
    assert rows(json.dumps({"prompt": "a"}, indent=2)) == [(1, {"prompt": "a"})]


def test_an_object_of_lists_that_has_a_known_column_is_a_row(rows):
    row = {"messages": [{"role": "user", "content": "a"}]}
    assert rows(json.dumps(row) + "\n" + json.dumps(row)) == [(1, row), (2, row)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"prompt": "a", "prompt": "b"}', r":1 has the key 'prompt' a second time in one object"),
        ('{"prompt": "a"}\n{"prompt": "a",\t"prompt" : "b"}', r":2 has the key 'prompt' a second time"),
        (
            '[\n {"prompt": "a"},\n {"prompt": "\\"}",\n  "group": [{}, {"x": 1}],\n  "prompt": "b"}\n]',
            r":5 has the key",
        ),
        ('{"a": ["x"],\n "a": ["y"]}', r":2 has the key 'a' a second time"),
        ('{"\\u0061": ["x"], "a": ["y"]}', r":1 has the key 'a' a second time"),
        ('[\n{"prompt": "a"},\n{oops}]', r":3 is not JSON \(Expecting property name .*\); each line must be one JSON"),
        ('{"prompt": "a"}\noops', r":2 is not JSON"),
        ('{"prompt": "a",\n{"prompt": "b"}\n', r":1 is not JSON"),
        ('{"prompt": "a"}\n{"prompt": "b",\n{"prompt": "c"}\n', r":2 is not JSON"),
        ('{"prompt": "a"}\n{"prompt":\n', r":2 is not JSON \(Expecting value\)"),
        ('\n\n{"prompt": "a"}\n\n{"prompt": \n', r":5 is not JSON"),
        ('\ufeff{"prompt": "a"}\r\n\r\n{"prompt": "b",\r\n{"prompt": "c"}\r\n', r":3 is not JSON"),
        ('\ufeff\r\n{"prompt": "a\r\n{"prompt": "c"}\r\n', r":2 is not JSON"),
        ('[\n{"prompt": "a"},\n{"prompt": "b"\n', r":3 is not JSON"),
        ('[\n{"prompt": "a"}\n{"prompt": "b"}\n]', r":3 is not JSON"),
        ('{\n"a": [\n{"prompt": "a"}\n],\n"b": oops}', r":5 is not JSON"),
        ("[[1]]", r":item 1 is not a JSON object; each item must be a text"),
        ('{"prompt": "a"}\n["b", 3]', r":2, item 2 is not a JSON object"),
        ('{"a": ["x"], "b": [3]}', r":item 2 is not a JSON object"),
    ],
)
def test_what_is_no_row_is_named_with_its_place(rows, text, message):
    with pytest.raises(ValueError, match=message):
        rows(text)


def test_keys_that_differ_or_are_in_other_objects_are_no_repeat(rows):
    assert len(rows('{"prompt": "a", "Prompt": {"prompt": "b"}}\n{"prompt": "prompt"}')) == 2


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_anything_has_no_rows(rows, text):
    assert rows(text) == []
