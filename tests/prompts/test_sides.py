import pytest

from holdfast.prompts.sides import find_label_column, side_for, side_of


def rows(column, *values, **others):
    return [{column: value, **others} for value in values]


@pytest.mark.parametrize(
    ("value", "side"),
    [
        ("unsafe", "harmful"),
        (" Harmful ", "harmful"),
        ("adversarial_harmful", "harmful"),
        ("contrast_homonyms", "harmful"),
        ("Safe", "safe"),
        ("benign", "safe"),
        ("unharmful", "safe"),
        ("borderline", "safe"),
        ("homonyms", "safe"),
        ("not safe", None),
        ("3", None),
        (None, None),
    ],
)
def test_a_label_names_a_side_only_if_it_is_known(value, side):
    assert side_of(value) == side


def test_every_kind_but_harmful_is_safe():
    assert [side_for(kind) for kind in ("harmful", "harmless", "borderline", "question", "task")] == [
        "harmful",
        *["safe"] * 4,
    ]


@pytest.mark.parametrize("column", ["label", "Type", "kind", "data_type", "prompt_harm_label", "group"])
def test_a_column_is_believed_where_all_its_values_are_known(column):
    assert find_label_column(rows(column, "harmful", "benign", "", None)) == column
    assert find_label_column(rows(column, "harmful", "sports")) is None
    assert find_label_column(rows(column, "", None)) is None


def test_a_label_beside_a_response_is_the_responses():
    assert find_label_column(rows("label", "safe", "unsafe", response="no")) is None
    assert find_label_column(rows("label", "safe", "unsafe", completion="no")) is None
    assert find_label_column(rows("type", "safe", "unsafe", response="no")) == "type"


def test_the_label_is_believed_before_the_type():
    both = [{"type": "homonyms", "label": "unsafe"}, {"type": "definitions", "label": "safe"}]
    assert find_label_column(both) == "label"


def test_other_columns_and_no_rows_say_nothing():
    assert find_label_column(rows("verdict", "safe", "unsafe")) is None
    assert find_label_column([]) is None
