"""A usual mistake in a condition is named in one sentence that says how to write it."""

import pytest

from holdfast.evaluate.comparing import compare
from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.condition_mistakes import mistake_in, nearest_end
from tests.evaluate.constructed import aligned, held_fast

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
        (
            "REFUSAL < BEFORE - 0.05",
            r"'BEFORE' is no name, because names are in lower case; write refusal < before - 0\.05\.$",
        ),
        ("acc/ARC < Before", r"'Before' is no name, .* write acc/ARC < before\.$"),
        ("refusal < before + -0.05", r"'\+ -0\.05' has two signs; write - 0\.05\.$"),
        ("refusal < before - -0.05", r"'- -0\.05' has two signs; write \+ 0\.05\.$"),
        ("utility.high < before.lo", r"'before\.lo' is no number; write before\.low\.$"),
        ("utility.high < before.mean", r"'before\.mean' is no number; write before\.low, before\.high or"),
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


def test_capitals_without_an_operator_are_no_fault_of_ours():
    with pytest.raises(ValueError, match="does not parse"):
        parse_condition("REFUSAL * BEFORE")


@pytest.mark.parametrize(("end", "known"), [("hi", "high"), ("lo", "low"), ("unscord", "unscored"), ("mean", None)])
def test_an_unknown_end_is_told_with_the_nearest_one(end, known):
    assert nearest_end(end) == known
    sentence = rf"unknown end '\.{end}' of asr; did you mean asr\.{known}\?" if known else "unknown measure 'asr.mean'"
    with pytest.raises(ValueError, match=sentence):
        compare(aligned(), held_fast(), [f"asr.{end} > 0.5"])


def test_a_measure_in_capitals_is_told_in_lower_case():
    with pytest.raises(ValueError, match=r"unknown measure 'UTILITY'; did you mean 'utility'\?"):
        compare(aligned(), held_fast(), ["UTILITY < before - 0.5"])


@pytest.mark.parametrize(
    "text", ["asr > befor", "asr * 2 > 1", "exact_match,strict-match >= befor", "asr > before >= 1"]
)
def test_another_mistake_is_none_of_them(text):
    assert mistake_in(text) is None
