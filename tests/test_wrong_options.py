import pytest

from holdfast.wrong_options import place_of, reason_of


@pytest.mark.parametrize(
    ("location", "place"),
    [
        (("seed",), "seed"),
        (("adapt", "lora", "rank"), "adapt.lora.rank"),
        (("enhance_arms", 1), "item 2 of enhance_arms"),
        (("adapt", "freeze", 0), "item 1 of adapt.freeze"),
        (("sets", 2, "name"), "name of item 3 of sets"),
        ((0,), "item 1"),
        ((), ""),
    ],
)
def test_items_are_counted_from_1(location, place):
    assert place_of(location) == place


def refused(given, expected):
    return {"input": given, "msg": f"Input should be {expected}", "ctx": {"expected": expected}}


@pytest.mark.parametrize("given", ["nan", " -NaN", float("nan")])
def test_nan_is_called_no_number_and_not_too_large(given):
    assert reason_of(
        {"input": given, "msg": "Input should be less than 1", "type": "less_than", "loc": ("fraction",)}
    ) == ("which stands for 'not a number'; give a number")


def test_a_misspelt_choice_gets_the_nearest_one_and_another_one_all_of_them():
    expected = "'expectation', 'straight_through' or 'gumbel'"
    assert reason_of(refused("gumble", expected)) == (
        "did you mean 'gumbel'? known: expectation, straight_through, gumbel"
    )
    assert reason_of(refused("x", expected)) == f"input should be {expected}"
    assert reason_of(refused(3, expected)) == f"input should be {expected}"
    assert reason_of({"input": "2", "msg": "Input give a number below 1", "ctx": {"lt": 1}}) == (
        "give a number below 1"
    )
