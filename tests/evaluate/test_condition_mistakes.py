"""A usual mistake in a condition is named in one sentence that says how to write it."""

import pytest

from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.condition_mistakes import mistake_in

IN_QUOTES = 'give measure, operator and threshold together as one text in quotes, such as "refusal < before - 0.05"'


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", f"it is empty; {IN_QUOTES}"),
        ("refusal", f"it has no operator and no threshold; {IN_QUOTES}"),
        ("asr/heldout", f"it has no operator and no threshold; {IN_QUOTES}"),
        ("asr 0.1", "it has no operator"),
        ("refusal drops", rf"it has no operator \(>, >=, < or <=\); {IN_QUOTES}"),
        (
            "refusal drops 5%",
            rf"it has no operator \(.*\), and measures are shares, so give 0\.05 in place of 5%; {IN_QUOTES}",
        ),
        ("refusal >=", f"it has no threshold after the operator; {IN_QUOTES}"),
        ("asr > ", f"it has no threshold after the operator; {IN_QUOTES}"),
        (">= 0.5", f"it names no measure; {IN_QUOTES}"),
        ("0.5 > refusal", "a condition begins with its measure; write refusal < 0.5"),
        ("refusal < 0.5 or asr > 0.2", "'or' joins no conditions; a gate fails if any of its conditions is met"),
        ("refusal < 0.5, asr > 0.2", "',' joins no conditions; .* so give each one as a condition of its own"),
        ("refusal < 0.5 && asr > 0.2", "'&&' joins no conditions"),
        ("refusal < 0.5 || asr > 0.2", "'\\|\\|' joins no conditions"),
        ("refusal < before - 0,05", "'0,05' is no number; write it with a point: 0.05"),
        ("refusal < after - 0.05", "'after' is no name; the measure alone is that of the second model"),
        ("after < before - 0.05", "'after' is no name; the measure alone is that of the second model"),
        ("asr =< 0.1", "write <=."),
        ("asr = 0.1", "equality cannot be tested; compare by >, >=, < or <="),
        ("asr == 0.1", "equality cannot be tested"),
        ("asr > 2%", r"measures are shares, so give 0\.02 in place of 2%"),
    ],
)
def test_a_usual_mistake_is_named_with_its_remedy(text, advice):
    with pytest.raises(ValueError, match=f"does not parse: {advice}") as refused:
        parse_condition(text)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["asr > befor", "asr * 2 > 1", "exact_match,strict-match >= befor", "asr > before >= 1"]
)
def test_another_mistake_is_none_of_them(text):
    assert mistake_in(text) is None
