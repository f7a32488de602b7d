import pyarrow
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import save_file

from holdfast.prompts.rows import read_rows
from tests.test_wrong_files import write_all


@pytest.fixture
def rows(tmp_path):
    """Reads what a file of that ending and text holds."""

    def read(text: str, ending: str = "csv"):
        path = tmp_path / f"prompts.{ending}"
        path.write_bytes(text.encode())
        return list(read_rows(path))

    return read


def test_quoted_cells_hold_commas_quotes_and_lines_and_rows_are_named_by_their_first_line(rows):
    text = '\ufeffprompt,group\r\n"one, ""two""\nthree",a\r\n\r\nfour,\r\n'
    assert rows(text) == [(2, {"prompt": 'one, "two"\nthree', "group": "a"}), (5, {"prompt": "four", "group": ""})]


def test_tabs_part_the_cells_of_a_tsv(rows):
    assert rows("prompt\tgroup\none, two\ta\n", "TSV") == [(2, {"prompt": "one, two", "group": "a"})]


def test_a_plain_text_holds_a_prompt_a_line_unless_it_is_json(rows):
    assert rows("\ufeffHow do I?\n\n  What [is] it?  \r\n", "txt") == [
        (1, {"prompt": "How do I?"}),
        (3, {"prompt": "What [is] it?"}),
    ]
    assert rows('\n{"prompt": "a"}\n', "TXT") == [(2, {"prompt": "a"})]
    assert rows('["a"]', "txt") == [("item 1", {"prompt": "a"})]


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_file_without_rows_has_none(rows, text):
    assert rows(text) == rows(text, "txt") == rows(text, "jsonl") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt,group\none, two,a\n", r":2 has 3 cells and the header has 2; put cells that hold ','"),
        ("prompt,group\none,a\ntwo\n", r":3 has 1 cells and the header has 2"),
        ('prompt\none\n"two\nthree\n', r":3 cannot be read \(unexpected end of data\); close every double quote"),
        ('prompt\n"one" two\n', r":2 cannot be read \('.' expected after '.'\)"),
        (
            "prompt,group\n",
            r"prompts.csv' has a header \(prompt, group\) and no rows; write one prompt per row under it",
        ),
        ("prompt,prompt\none,two\n", r":1 names the column 'prompt' twice"),
    ],
)
def test_a_bad_table_is_named_with_its_line(rows, text, message):
    with pytest.raises(ValueError, match=message):
        rows(text)


def test_a_table_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "prompts.csv").write_bytes("prompt\nnaïve\n".encode("latin-1"))
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        list(read_rows(tmp_path / "prompts.csv"))


def test_parquet_is_read_by_rows(tmp_path):
    table = pyarrow.table({"goal": ["one", "two"], "group": ["a", None]})
    pyarrow.parquet.write_table(table, tmp_path / "prompts.parquet", row_group_size=1)
    expected = [(1, {"goal": "one", "group": "a"}), (2, {"goal": "two", "group": None})]
    assert list(read_rows(tmp_path / "prompts.parquet")) == expected


def test_what_only_says_that_it_is_parquet_is_refused(rows):
    with pytest.raises(ValueError, match=r"is not Parquet \(.*\); write or fetch it again"):
        rows("prompt\n", "parquet")


def test_a_cell_that_the_reader_finds_too_long_is_told_as_that(tmp_path):
    (tmp_path / "prompts.csv").write_text(f"prompt\n{'a' * 140_000}\n")
    with pytest.raises(ValueError, match=r":2 has a cell of more than 131,072 characters.*as JSONL"):
        list(read_rows(tmp_path / "prompts.csv"))


def test_results_of_holdfast_are_named_and_not_read_as_prompts(tmp_path):
    write_all(tmp_path)
    for name, words in (("scores.safetensors", "a file of scores"), ("evaluation.json", "an evaluation")):
        with pytest.raises(ValueError, match=rf"{name}' is {words}, not a prompt set; give JSONL"):
            list(read_rows(tmp_path / name))


def test_weights_are_named_and_a_category_called_points_is_read(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="is a safetensors file that holdfast did not write, such as the weights"):
        list(read_rows(tmp_path / "model.safetensors"))
    (tmp_path / "prompts.json").write_text('{"points": ["how do i mend it"]}')
    assert len(list(read_rows(tmp_path / "prompts.json"))) == 1
