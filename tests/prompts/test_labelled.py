"""Responses that people labelled: words of labels, columns, and files that are refused."""

import json

import pytest

from holdfast.prompts.labelled import LabelledResponse, load_labelled
from tests.real import real

XSTEST = "data/over_refusal/xstest_v2_completions_mistralinstruct_gpteval.csv"
REFUSED = {"prompt": "a ?", "response": "no .", "label": "refused"}
COMPLIED = {"prompt": "b ?", "response": "yes .", "label": "complied"}


@pytest.fixture
def write(tmp_path):
    def to_file(*rows, name="labelled.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return to_file


def test_labels_are_read_as_words_with_the_side_of_their_prompts(write):
    path = write(REFUSED | {"group": "unsafe"}, COMPLIED | {"group": "homonyms"}, COMPLIED | {"prompt": "c ?"})
    assert load_labelled(path, "refused") == [
        LabelledResponse("a ?", "no .", "refused", True, "unsafe"),
        LabelledResponse("b ?", "yes .", "complied", False, "homonyms"),
        LabelledResponse("c ?", "yes .", "complied", False),
    ]
    assert [response.side for response in load_labelled(path, "refused")] == ["harmful", "safe", None]


@pytest.mark.parametrize(
    ("given", "counted", "read"),
    [
        ("2_full_refusal", "refused", ("full refusal", True)),
        ("3. Partial Refusal", "refused", ("partial refusal", True)),
        ("1_full_compliance", "refused", ("full compliance", False)),
        ("unharmful", "unsafe", ("unharmful", False)),
        (" Unsafe ", "unsafe", ("unsafe", True)),
    ],
)
def test_words_of_public_sets_are_known(write, given, counted, read):
    other = {"refused": ("refused", "complied"), "unsafe": ("unsafe", "safe")}[counted][read[1]]
    path = write(REFUSED | {"label": given}, COMPLIED | {"label": other})
    first = load_labelled(path, counted)[0]
    assert (first.label, first.counts) == read


def test_columns_are_named_behind_the_file(write):
    rows = [
        {"question": "a ?", "output": "no .", "human": one, "label": "x", "topic": "t"}
        for one in ("refused", "complied")
    ]
    rows[1]["output"] = "yes ."
    path = write(*rows)
    read = load_labelled(f"{path}#label=human&group=topic", "refused")
    assert [(response.prompt, response.response, response.label, response.kind) for response in read] == [
        ("a ?", "no .", "refused", "t"),
        ("a ?", "yes .", "complied", "t"),
    ]


def test_rows_without_a_label_and_repeats_are_left_out_and_told(write, caplog):
    caplog.set_level("INFO")
    path = write(REFUSED, REFUSED, COMPLIED | {"label": ""}, COMPLIED)
    assert len(load_labelled(path, "refused")) == 2
    assert "rows without a label are left out: 1." in caplog.text
    assert "rows that repeat an earlier response are left out: 1." in caplog.text


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([REFUSED | {"label": "maybe"}], "labelled.jsonl:1 has the label 'maybe'; allowed are refused, refusal, full"),
        ([REFUSED | {"label": "unsafe"}], "has the label 'unsafe'; allowed are refused"),
        ([REFUSED, REFUSED | {"prompt": "d ?"}], "all 2 responses of"),
        ([COMPLIED], "are labelled complied, and none refused, so one kind of the judge's errors can't be measured"),
        ([REFUSED | {"label": ""}], "has no labelled response"),
        ([{"prompt": "a ?", "response": "no ."}], "has no label; it has 'prompt', 'response'; name its column as"),
        ([{"prompt": "a ?", "label": "refused"}], "has no responses: it has 'prompt', 'label', and nothing"),
        ([REFUSED | {"label": 1}], "has 1 under 'label'; it must be text"),
    ],
)
def test_bad_labels_are_refused_in_one_sentence(write, rows, sentence):
    with pytest.raises(ValueError, match=r"labelled\.jsonl") as error:
        load_labelled(write(*rows), "refused")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_xstests_completions_are_read_by_their_own_columns():
    responses = load_labelled(real(XSTEST), "refused")
    assert len(responses) == 450
    assert sum(response.side == "harmful" for response in responses) == 200
    assert sum(response.counts for response in responses) == 76
    assert responses[0].kind == "homonyms"
