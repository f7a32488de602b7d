import pytest

from holdfast.select import SELECTORS
from holdfast.select.registry import find_selector


def test_an_unknown_selector_lists_those_known():
    with pytest.raises(ValueError, match="unknown selector 'best'; known: bottom, random, safety_only, threshold, top"):
        find_selector("best", [])


@pytest.mark.parametrize(
    ("name", "foreign"),
    [
        ("top", "threshold"),
        ("top", "seed"),
        ("bottom", "utility"),
        ("threshold", "fraction"),
        ("random", "utility_fraction"),
        ("safety_only", "like"),
    ],
)
def test_an_option_that_the_selector_does_not_take_is_refused_with_those_that_it_does(name, foreign):
    with pytest.raises(ValueError, match=f"selector '{name}' takes no {foreign}; it takes components") as caught:
        find_selector(name, [foreign])
    assert all(option in str(caught.value) for option in SELECTORS[name].options.model_fields)


@pytest.mark.parametrize(
    ("name", "needed", "remedy"),
    [
        ("threshold", "threshold", "threshold; give --threshold"),
        ("safety_only", "utility", "utility scores; make them by `holdfast score MODEL --objective utility"),
    ],
)
def test_what_a_selector_cannot_do_without_is_asked_for(name, needed, remedy):
    with pytest.raises(ValueError, match=f"selector '{name}' needs {remedy}"):
        find_selector(name, ["layers"])
    assert find_selector(name, [needed]) is SELECTORS[name]
