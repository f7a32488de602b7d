import json
from pathlib import Path

import pytest

from holdfast.pipeline.inputs import file_hash
from holdfast.prompts import locate
from holdfast.prompts.locate import PromptSource, find_source
from holdfast.prompts.sources import load_exchanges, load_prompts
from holdfast.records import Exchange, Prompt


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("goal,a & b,target,kind\nmend it,seen,yes,borderline\nfly it,,no,\n")
    return path


def test_columns_are_named_behind_the_file(table):
    assert load_prompts(f"{table}#prompt=goal&group=a %26 b") == [
        Prompt("mend it", "borderline", "seen"),
        Prompt("fly it"),  # blank cells are not filled in
    ]
    assert load_exchanges(f"{table}#prompt=goal&response=target")[1] == Exchange("fly it", "no")


def test_columns_are_named_behind_jsonl_too(tmp_path):
    (tmp_path / "lines.jsonl").write_text('{"question": "mend it", "answer": "glue"}\n')
    assert load_prompts(f"{tmp_path}/lines.jsonl#prompt=question") == [Prompt("mend it", answer="glue")]


def test_a_file_with_the_sign_in_its_name_is_that_file(tmp_path):
    path = tmp_path / "a#prompt=goal"
    path.write_text('{"prompt": "mend it"}')
    assert find_source(str(path)) == PromptSource(path)
    assert find_source(f"{path}#prompt=goal") == PromptSource(path, {"prompt": "goal"})


def test_a_file_called_like_a_public_set_is_reached_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("advbench").write_text('{"prompt": "mend it"}')
    assert load_prompts("./advbench") == load_prompts(Path("advbench")) == [Prompt("mend it")]
    with pytest.raises(ValueError, match="prompt set 'advbench' could not be fetched"):
        load_prompts("advbench")


@pytest.mark.parametrize(
    ("behind", "message"),
    [
        ("#prompt=aim", r"table.csv:2 has no column 'aim'; it has 'goal', 'a & b', 'target', 'kind'"),
        ("#response=target&group=tone", r"table.csv:2 has no column 'tone'; it has 'goal', .*'kind'\."),
        ("#rows=kind:evil", r"no row of '.*table.csv' has 'evil' under 'kind'; choose a value that it has"),
        ("#rows=tone:evil", r":2 has no column 'tone'"),
        ("#rows=borderline", r"chooses the rows 'borderline'; write rows=COLUMN:VALUE, or rows=all"),
        ("#rows=", r"has 'rows' behind the # without a value"),
        (
            "#goal",
            r"has 'goal' behind the #, which is not allowed there; allowed, joined by &, are prompt=COLUMN, kind=",
        ),
        ("#prompt=", r"has 'prompt' behind the # without a value"),
        (
            "#firs=2",
            r"has 'firs' behind the #, which is not allowed there; did you mean 'first'\? allowed, .* and first=N",
        ),
        ("#prompt=goal&tone=kind", r"has 'tone' behind the #, which is not allowed there"),
        ("#prompt=goal&kind=target", r":2 has kind 'yes'; known: harmful"),
        ("#prompt=a & b", r"has ' b' behind the #, which is not allowed there"),
        ("#prompt=kind", r":3 has no text under 'kind', only blanks"),
    ],
)
def test_a_wrong_choice_of_columns_is_one_sentence(table, behind, message):
    with pytest.raises(ValueError, match=message):
        load_prompts(f"{table}{behind}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("advbnch", "no file and no public prompt set is called 'advbnch'; did you mean 'advbench'?"),
        ("qqq", "known: harmbench, advbench, "),
        (
            "none.csv#prompt=goal",
            "'none.csv' does not exist; give a text file with one prompt a line, a JSON, JSONL, CSV, TSV or Parquet",
        ),
        ("no/such", "'no/such' does not exist"),
    ],
)
def test_a_set_that_is_not_there_is_said_to_be_so(name, message):
    with pytest.raises(ValueError, match=message):
        find_source(name)


@pytest.mark.parametrize("name", ["harmles.txt", "harmless.csv", "harmles.txt#first=3"])
def test_a_missing_file_suggests_the_one_of_a_near_name_in_its_folder(name, tmp_path):
    (tmp_path / "harmless.txt").write_text("mend a kite\n")
    with pytest.raises(ValueError, match=r"does not exist; did you mean 'harmless.txt'\? give a text file"):
        find_source(f"{tmp_path}/{name}")


@pytest.mark.parametrize("name", ["harmful.txt", "other.txt", "no/harmless.txt"])
def test_a_file_of_another_name_or_folder_is_not_suggested(name, tmp_path):
    (tmp_path / "harmless.txt").write_text("mend a kite\n")
    with pytest.raises(ValueError, match="does not exist; give a text file"):
        find_source(tmp_path / name)


def test_the_first_prompts_of_any_set_can_be_asked_for(tmp_path):
    assert len(load_prompts("testbed:harmless#first=3")) == 3
    (tmp_path / "table.csv").write_text("goal\nmend a kite\nfly it\n")
    assert [one.prompt for one in load_prompts(f"{tmp_path / 'table.csv'}#prompt=goal&first=1")] == ["mend a kite"]
    assert file_hash("testbed:harmless#first=3") != file_hash("testbed:harmless")
    assert len(load_prompts(f"testbed:harmless#first={10**30}")) == len(load_prompts("testbed:harmless"))
    with pytest.raises(ValueError, match="sets an option twice behind the #"):
        load_prompts("testbed:harmless#first=3&first=4")
    for wrong in ("0", "x", "-1"):
        with pytest.raises(ValueError, match=f"has first={wrong} behind the #; give a whole number of 1 or more"):
            load_prompts(f"testbed:harmless#first={wrong}")


def test_a_sample_is_spread_over_the_whole_set_and_the_same_every_time(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("prompt,response\n" + "".join(f"do {place},yes {place}\n" for place in range(103)))
    for load in (load_prompts, load_exchanges):
        places = [int(one.prompt.removeprefix("do ")) for one in load(f"{path}#sample=10")]
        tenths = [(103 * part // 10, 103 * (part + 1) // 10) for part in range(10)]
        inside = [begin <= place < end for place, (begin, end) in zip(places, tenths, strict=True)]
        assert all(inside), "one of each tenth, in the order of the file"
        assert [place % 10 for place in places] != [places[0] % 10] * 10, "at random in it"
        assert [one.prompt for one in load(f"{path}#sample=10")] == [f"do {place}" for place in places]
        assert len(load(f"{path}#sample=200")) == len(load(f"{path}#sample=103")) == 103
    assert (
        len({file_hash(f"{path}#{what}") for what in ("sample=10", "sample=11", "first=10")} | {file_hash(path)}) == 4
    )
    with pytest.raises(ValueError, match="has first= and sample= behind the #; leave one of the two out"):
        load_prompts(f"{path}#first=3&sample=3")
    with pytest.raises(ValueError, match="has sample=0 behind the #; give a whole number of 1 or more"):
        load_prompts(f"{path}#sample=0")


@pytest.mark.parametrize("load", [load_prompts, load_exchanges])
@pytest.mark.parametrize(
    ("chosen", "places"),
    [
        ("last=3", [7, 8, 9]),
        ("last=30", range(10)),
        ("skip=8", [8, 9]),
        ("skip=3&first=2", [3, 4]),
        ("first=2&skip=3", [3, 4]),
        ("skip=8&last=5", [8, 9]),
    ],
)
def test_the_last_prompts_and_those_after_the_first_are_chosen(load, chosen, places, tmp_path):
    path = tmp_path / "ten.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"do {n}", "response": "no"}) + "\n" for n in range(10)))
    assert [one.prompt for one in load(f"{path}#{chosen}")] == [f"do {place}" for place in places]
    assert file_hash(f"{path}#{chosen}") != file_hash(path)


def test_skip_leaves_out_prompts_that_count_and_before_a_sample(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("a\na\nb\nc\nd\n")
    assert [one.prompt for one in load_prompts(f"{path}#skip=1")] == ["b", "c", "d"], "the repeat of a is no prompt"
    assert {one.prompt for one in load_prompts(f"{path}#skip=2&sample=2")} == {"c", "d"}
    with pytest.raises(ValueError, match=r"^skip=4 leaves nothing of '.*prompts.txt'; skip fewer prompts\.$"):
        load_prompts(f"{path}#skip=4")
    with pytest.raises(ValueError, match="has last= and sample= behind the #; leave one of the two out"):
        load_prompts(f"{path}#sample=2&last=2")


def test_a_sample_of_a_labelled_file_is_of_the_side_that_is_wanted(tmp_path):
    path = tmp_path / "both.csv"
    path.write_text("prompt,label\n" + "".join(f"do {at},{'safe' if at % 2 else 'unsafe'}\n" for at in range(40)))
    assert [int(one.prompt[3:]) % 2 for one in load_prompts(f"{path}#sample=7", "harmful")] == [0] * 7


def test_columns_of_a_public_set_are_not_chosen(monkeypatch, tmp_path):
    (tmp_path / "file.csv").write_text("goal\nmend a kite\n")
    monkeypatch.setattr(locate, "fetch", lambda known: tmp_path / "file.csv")
    assert len(load_prompts("advbench#first=1")) == 1
    with pytest.raises(ValueError, match="which has its own; leave them out"):
        load_prompts("advbench#prompt=target")
    with pytest.raises(ValueError, match="which has its own; leave them out"):
        load_prompts("advbench#rows=all")


def test_rows_are_chosen_by_what_a_column_holds(table):
    assert [one.prompt for one in load_prompts(f"{table}#rows=target:no")] == ["fly it"]
    assert [one.prompt for one in load_prompts(f"{table}#rows=a %26 b:seen&first=3")] == ["mend it"]
    assert len({file_hash(f"{table}{chosen}") for chosen in ("", "#rows=all", "#rows=target:no")}) == 3
