"""The page shows how long answers are, before and after, in every arm; a report of before has no length."""

import pytest

from holdfast.outcomes import Rate
from holdfast.report.page import page_context, render_page
from holdfast.report.schema import rate_json
from holdfast.report.summary import cards
from tests.report.sample import full_report, read

HARMLESS, HARMFUL = "response_length/harmless", "response_length/harmful"


def with_lengths():
    report = full_report()
    section = report["enhance"]
    arms = {"before": section["before"], "after": section["after"], "random": section["controls"]["random"]}
    for (name, arm), mean in zip(arms.items(), (120.0, 14.5, 118.2), strict=True):
        arm["groups"] |= {HARMLESS: rate_json(Rate(mean, mean - 3, mean + 3, 240))}
        arm["groups"] |= {HARMFUL: rate_json(Rate(mean / 2, mean / 2 - 3, mean / 2 + 3, 480))}
        if name != "before":
            change = {"value": mean - 120, "low": mean - 123, "high": mean - 117, "n": 240, "p_value": 0.01}
            arm["length_change"] = {HARMLESS: change}
    return report


def test_the_card_of_set_has_the_length_before_and_after_and_under_the_control():
    (card,) = (one for one in cards(read(with_lengths())) if one.stage == "enhance")
    (length,) = (one for one in card.measures if one.words == "tokens in a response to a harmless prompt")
    assert dict(length.rows) == {
        "before": "120.0 [117.0, 123.0] n=240",
        "after": "14.5 [11.5, 17.5] n=240; change -105.5 [-108.5, -102.5]",
        "random": "118.2 [115.2, 121.2] n=240; change -1.8 [-4.8, +1.2]",
    }, "safety-only was measured, but not its length"
    assert not any("tokens" in measure.words for one in cards(read(full_report())) for measure in one.measures)


def test_lengths_at_safe_prompts_are_drawn_from_zero_and_the_others_are_in_the_table():
    shown = page_context(read(with_lengths()))
    (figure,) = (one for one in shown["forests"]["enhance"] if one.name.startswith("Response length"))
    assert figure.name == "Response length in tokens, harmless"
    assert [tick.label for tick in figure.ticks] == ["0", "50", "100", "150"]
    texts = {row.label: row.value for row in figure.rows}
    assert texts["before"] == "120.0 [117.0, 123.0]"
    mark = next(row.mark for row in figure.rows if row.label == "before")
    assert mark.x == pytest.approx(figure.left + (figure.right - figure.left) * 120 / 150)
    rows = {(row[0], row[1]): row[3] for row in shown["arm_tables"]["enhance"].rows}
    assert rows["Response length in tokens, harmless", "top 1%"] == "-105.5 [-108.5, -102.5]"
    assert ("Response length in tokens, harmful", "before") in rows


def test_the_page_says_how_to_read_it():
    page = render_page(read(with_lengths()))
    assert "Response length has no better side" in page
    assert "Response length has no better side" not in render_page(read(full_report()))
