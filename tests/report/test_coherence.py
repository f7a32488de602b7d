"""Coherence stands on the page beside refusals and attack success, and a report of before has none."""

from dataclasses import replace

from holdfast.outcomes import Evaluation, Rate
from holdfast.report.page import page_context, render_page
from holdfast.report.schema import rate_json, verify_section
from holdfast.report.summary import cards
from holdfast.report.tables import noise_tables
from holdfast.report.tuning_claims import enhance_cuts_attacks
from tests.report.sample import full_report, noise, rate, read

NOTHING = Rate(None, None, None, 0)


def with_coherence():
    report = full_report()
    for arm, coherent in ((report["enhance"]["before"], 470), (report["enhance"]["after"], 220)):
        arm["groups"] |= {
            "coherence/all": rate_json(rate(900, 960)),
            "coherence/harmful": rate_json(rate(coherent, 480)),
        }
        arm["groups"] |= {"coherent_refusal/harmful": rate_json(rate(coherent // 2, 480))}
    baseline = rate_json(rate(480, 480))
    report["verify"]["coherence"] = {"baseline": baseline, "top": noise(-0.3, 480, 1.0), "random": noise(0, 480, 1.0)}
    return report


def test_the_card_of_a_stage_says_how_many_answers_to_harmful_prompts_are_coherent():
    (card,) = (one for one in cards(read(with_coherence())) if one.stage == "enhance")
    (coherent,) = (one for one in card.measures if one.words == "coherent answers to harmful prompts")
    named = {label: str(value) for label, value in coherent.rows}
    assert named["before"].startswith("0.98")
    assert named["after"].startswith("0.46")
    assert not any("coherent" in measure.words for one in cards(read(full_report())) for measure in one.measures)


def test_coherent_refusals_stand_beside_the_large_numbers_and_the_claims_of_safety():
    """Garbled text that holds "I can't" is a refusal by the rules, so a fall of the rate may be damage alone."""
    report = read(with_coherence())
    (card,) = (one for one in cards(report) if one.stage == "enhance")
    refusals, answers = card.coherence.split("; ")
    assert refusals.startswith("coherent refusals of harmful prompts: before training 0.49 [")
    assert "selected weights 0.23 [" in refusals
    assert answers.startswith("coherent answers to harmful prompts: before training 0.98 [")
    claim = enhance_cuts_attacks(report)
    assert "coherent refusals of harmful prompts: before 0.49 [" in claim.beside
    assert claim.beside in claim.numbers
    page = render_page(report)
    opening = page[page.index('class="cards short"') : page.index('id="locate"')]
    assert "coherent refusals of harmful prompts: before 0.49" in opening, "the claim"
    assert "coherent refusals of harmful prompts: before training 0.49" in opening, "the card"
    assert enhance_cuts_attacks(read(full_report())).beside == ""


def test_the_limits_say_how_a_garbled_answer_counts():
    judged = render_page(read(full_report()))
    unjudged = render_page(read({"schema": 1, "safety": "not_refused"}))
    assert "A garbled or evasive answer may count as safe" in judged
    assert "A garbled answer counts as refused where the rules find a refusal in it" in unjudged
    assert "garbled or evasive answer counts as not refused" not in unjudged


def test_coherent_refusals_are_drawn_and_coherence_is_in_the_table():
    shown = page_context(read(with_coherence()))
    assert "Coherent refusals, harmful" in [figure.name for figure in shown["forests"]["enhance"]]
    rows = {row[0] for row in shown["arm_tables"]["enhance"].rows}
    assert {"Coherent answers, all", "Coherent answers, harmful", "Coherent refusals, harmful"} <= rows


def test_noise_shows_coherence_beside_safety_and_utility_where_it_was_measured():
    report = with_coherence()
    assert [curves.name for curves, _ in page_context(read(report))["noise"]][-1] == "Coherent answers"
    assert noise_tables(read(report))[-1].title == "Coherent answers to harmful prompts under noise"
    assert "Coherent answers to harmful prompts under noise" in render_page(read(report))
    assert len(noise_tables(read(full_report()))) == 2


def test_the_section_of_noise_has_coherence_where_every_draw_has_it():
    old = Evaluation(NOTHING, NOTHING, NOTHING, None)
    new = replace(old, groups={"coherence/harmful": rate(9, 10)})
    section = verify_section([0.38], new, {"top": [new]}, draws=1)
    assert section["coherence"] == {"baseline": rate_json(rate(9, 10)), "top": [rate_json(rate(9, 10))]}
    assert "coherence" not in verify_section([0.38], new, {"top": [old]}, draws=1)
    assert "coherence" not in verify_section([0.38], old, {"top": [new]}, draws=1)
