import pytest

from holdfast.evaluate.condition import Comparison, Condition, Quantity, parse_condition, parse_conditions

BEFORE = Quantity("before")


def test_a_condition_is_a_measure_an_operator_and_a_sum():
    assert parse_condition("asr > before + 0.02") == Condition(
        "asr > before + 0.02", "asr", (Comparison(Quantity("asr"), ">", ((1, BEFORE), (1, 0.02))),)
    )


@pytest.mark.parametrize(
    ("text", "left", "terms"),
    [
        (
            "asr.low>=before.high-1e-2+.5",
            Quantity("asr", "low"),
            ((1, Quantity("before", "high")), (-1, 0.01), (1, 0.5)),
        ),
        ("asr.unscored > 5", Quantity("asr", "unscored"), ((1, 5.0),)),
        ("asr/self-harm.high > 1.", Quantity("asr/self-harm", "high"), ((1, 1.0),)),
        ("asr/v1.2 > before", Quantity("asr/v1.2"), ((1, BEFORE),)),
        ("'asr/hate speech'.low > before", Quantity("asr/hate speech", "low"), ((1, BEFORE),)),
        ("'asr/at.low' > before", Quantity("asr/at.low"), ((1, BEFORE),)),
        ("  utility  <  before - 0.01  ", Quantity("utility"), ((1, BEFORE), (-1, 0.01))),
    ],
)
def test_names_ends_and_numbers_are_read(text, left, terms):
    (comparison,) = parse_condition(text).comparisons
    assert (comparison.left, comparison.terms) == (left, terms)


def test_further_comparisons_are_about_the_same_measure_or_its_p_value():
    condition = parse_condition("asr > before and p < 0.05 and asr.low > 0.1")
    assert condition.measure == "asr"
    assert [one.left for one in condition.comparisons] == [Quantity("asr"), Quantity("p"), Quantity("asr", "low")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("before > asr", "expected a measure, found 'before' at character 1"),
        ("p < 0.05", r"begins with its measure\), found 'p' at character 1"),
        ("asr > utility", "expected a number or before, found 'utility' at character 7"),
        ("asr > befor + 0.02", "found 'befor' at character 7"),
        ("asr > before * before", "expected a number, found 'before' at character 16"),
        ("asr > 1 / before", "expected a number, found 'before' at character 11"),
        ("asr > before / 0", "expected a number other than 0, found '0' at character 16"),
        ("asr > before *", "expected a number, found the end"),
        ("asr * 2 > 1", r"expected >, >=, < or <=, found '\*' at character 5"),
        ("asr > -0.1", "found '-' at character 7"),
        ("asr > before and", "expected a measure, found the end"),
        ("asr > before and utility < 1", r"expected asr or p \(.*another condition for another\), found 'utility'"),
        ("asr > before and p.low < 1", "expected asr or p .*found 'p.low'"),
        ("__import__('os')", "does not parse"),
        ("asr\x1b > 1", r"the condition 'asr\\x1b > 1' does not parse"),
    ],
)
def test_a_condition_that_does_not_parse_says_where_and_shows_examples(text, says):
    with pytest.raises(ValueError, match=says) as refused:
        parse_condition(text)
    assert "asr > before + 0.02" in str(refused.value)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    "texts",
    [["asr > 0.5", "asr > 0.5"], ["asr > 0.5", "utility < 0.5", "asr  >  .50"], ["asr > before", "asr > 1 * before"]],
)
def test_a_condition_that_is_given_twice_is_refused(texts):
    with pytest.raises(ValueError, match=r"is given twice.*; give it once, because every further condition"):
        parse_conditions(texts)


def test_conditions_on_one_measure_that_differ_are_accepted():
    assert len(parse_conditions(["asr > 0.5", "asr > before + 0.5", "asr.high > 0.5", "asr >= 0.5"])) == 4


@pytest.mark.parametrize(
    ("text", "measure", "before", "holds"),
    [
        ("asr > before + 0.02", 0.971, 0.95, True),
        # In floating point 0.95 + 0.02 is a hair below 0.97, 0.29 - 0.01 a hair below 0.28: equal all the same.
        ("asr > before + 0.02", 0.97, 0.95, False),
        ("asr >= before + 0.02", 0.97, 0.95, True),
        ("asr < before - 0.01", 0.28, 0.29, False),
        ("asr <= before - 0.01", 0.28, 0.29, True),
        ("asr < before - 0.01", 0.27, 0.29, True),
        ("asr > 0.5 - before + 0.1", 0.41, 0.2, True),
        ("asr > 0.5 - before + 0.1", 0.39, 0.2, False),
    ],
)
def test_equal_up_to_rounding_is_equal(text, measure, before, holds):
    (comparison,) = parse_condition(text).comparisons
    assert comparison.holds({Quantity("asr"): measure, BEFORE: before}.__getitem__) is holds


def test_small_p_values_are_told_apart():
    (_, comparison) = parse_condition("asr > 0 and p < 0.0001").comparisons
    assert comparison.holds({Quantity("p"): 0.00009}.__getitem__)
    assert not comparison.holds({Quantity("p"): 0.00011}.__getitem__)
