from holdfast.outcomes import Rate
from holdfast.report.beside import measured_beside
from holdfast.report.left_out import WAITING
from holdfast.report.page import render_page
from holdfast.report.schema import rate_json
from holdfast.report.summary import cards
from tests.report.sample import full_report, rate, read

ARMS = {
    "before": ("enhance", "before"),
    "after": ("enhance", "after"),
    "tuning random": ("enhance", "controls", "random"),
    "safety-only": ("enhance", "safety_only"),
}


def rows(report):
    return {one.words: {name: str(value) for name, value in one.rows} for one in measured_beside(read(report), ARMS)}


def test_the_card_of_set_has_refusals_over_refusal_and_perplexity_of_the_control_too():
    found = rows(full_report())
    assert list(found) == [
        "refusals of harmful prompts",
        "over-refusal, harmless prompts",
        "over-refusal, borderline prompts",
        "perplexity, and its ratio to the start",
    ]
    assert all(set(one) == set(ARMS) for one in found.values())
    assert found["refusals of harmful prompts"]["after"] == "0.48 [0.43, 0.52] n=480 (3 unscored)"
    assert found["refusals of harmful prompts"]["tuning random"] == "0.01 [0.00, 0.02] n=480"
    assert found["over-refusal, borderline prompts"]["tuning random"] == "0.04 [0.02, 0.08] n=200"
    assert found["perplexity, and its ratio to the start"] == {
        "before": "3.11 [2.95, 3.30] n=24",
        "after": "times 1.026 [1.010, 1.042] n=24",
        "tuning random": "times 1.003 [0.988, 1.019] n=24",
        "safety-only": "times 1.013 [0.997, 1.029] n=24",
    }


def test_the_page_shows_them_on_the_card():
    card = render_page(read(full_report())).partition('<a href="#enhance">Does training')[2]
    card = card.partition('<p class="tally">')[0]
    assert '<div class="what">refusals of harmful prompts</div>' in card
    assert "<dt>random</dt><dd>times 1.003 [0.988, 1.019] n=24</dd>" in card
    assert card.count("<dt>safety-only</dt>") == 5, "attack success, and four measures beside it"


def test_the_control_says_why_it_has_no_number_and_safety_only_is_optional():
    report = full_report()
    del report["enhance"]["safety_only"], report["enhance"]["controls"]["random"]
    for one in measured_beside(read(report), ARMS):
        assert dict(one.rows)["tuning random"] == WAITING
        assert "safety-only" not in dict(one.rows)
    report["provenance"]["config"] = {"enhance_arms": ["top"]}
    assert not any("tuning random" in dict(one.rows) for one in measured_beside(read(report), ARMS)), "it was left out"
    assert not cards(read(report))[1].beside


def test_a_perplexity_that_cannot_be_paired_is_shown_as_it_is():
    report = full_report()
    report["enhance"]["after"]["perplexity_ratio"] = None
    (words,) = (words for words in rows(report) if words.startswith("perplexity"))
    assert rows(report)[words]["after"] == "3.19, not paired"


def test_what_nobody_measured_has_no_block_and_a_failed_measurement_is_no_zero():
    report = full_report()
    arms = [report["enhance"][name] for name in ("before", "after", "safety_only")]
    arms += report["enhance"]["controls"].values()
    for suite in arms:
        suite["borderline"] = suite["perplexity"] = suite["perplexity_ratio"] = None
    assert list(rows(report)) == ["refusals of harmful prompts", "over-refusal, harmless prompts"]
    report["enhance"]["after"]["over_refusal"] = rate_json(Rate(None, None, None, 0, 240))
    assert rows(report)["over-refusal, harmless prompts"]["after"] == "not measured n=0 (240 unscored)"


def test_without_a_judge_refusals_are_not_said_twice():
    report = full_report() | {"safety": "not_refused"}
    for name in ("before", "after"):
        report["enhance"][name]["not_refused"] = rate_json(rate(9))
    assert "refusals of harmful prompts" not in rows(report)
