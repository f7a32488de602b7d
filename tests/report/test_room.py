import pytest

from holdfast.outcomes import Rate
from holdfast.report import noise_claims, tuning_claims
from holdfast.report.page import render_page
from holdfast.report.room import cannot_fall, cannot_rise
from holdfast.report.schema import rate_json
from holdfast.report.subject import what_it_cannot_say
from holdfast.report.verdicts import verdicts_of
from tests.report.sample import rate, read

MANY = 10_000
"""Prompts, so many that every interval is narrower than every bar: only room can be wanting."""


def arms(measure, **shares):
    return {name: {measure: rate_json(rate(round(share * MANY), MANY))} for name, share in shares.items()}


def test_a_rate_at_its_end_has_no_room_there():
    nothing, little, everything = rate(0, 40), rate(1, 40), rate(40, 40)
    assert cannot_fall("utility before", nothing, 0.02) == (
        "utility before is 0.000 and cannot fall by 0.02, so more prompts would not decide"
    )
    assert cannot_rise("attack success at the start", everything) == (
        "attack success at the start is 1.000 and cannot rise further, so more prompts would not decide"
    )
    assert cannot_fall("utility before", little, 0.02) == cannot_rise("utility before", nothing, 0.02) == ""
    assert cannot_fall("utility before", little, 0.03).startswith("utility before is 0.025 and cannot fall by 0.03")
    assert cannot_fall("utility before", None) == cannot_fall("utility before", Rate(None, None, None, 0)) == ""


UTILITY, OVER, ASR = "utility", "over_refusal", "asr"


@pytest.mark.parametrize(
    ("claim", "report", "why"),
    [
        ("enhance_keeps_utility", {"enhance": arms(UTILITY, before=0, after=0)}, "utility before is 0.000 and"),
        ("enhance_keeps_over_refusal", {"enhance": arms(OVER, before=1, after=1)}, "over-refusal before is 1.000 and"),
        ("enhance_cuts_attacks", {"enhance": arms(ASR, before=0, after=0)}, "attack success before is 0.000 and"),
        ("plain_loses", {"adapt": arms(ASR, start=1, plain=1)}, "attack success at the start is 1.000 and"),
        ("protection_keeps", {"adapt": arms(ASR, start=1, protected=0.5)}, "attack success at the start is 1.000"),
        ("protection_beats_random", {"adapt": arms(ASR, random_protected=0, protected=0)}, "with random weights held"),
        ("protection_learns", {"adapt": arms("task", plain=0.01, protected=0.01)}, "after plain fine-tuning is 0.010"),
    ],
)
def test_a_claim_without_room_is_inconclusive_and_says_that_more_prompts_do_not_help(claim, report, why):
    verdict = getattr(tuning_claims, claim)(read(report))
    assert verdict.answer == "inconclusive"
    assert why in verdict.undecided
    assert verdict.numbers.endswith("so more prompts would not decide")


def test_a_claim_of_less_is_still_refuted_by_more():
    refuted = tuning_claims.protection_beats_random(read({"adapt": arms(ASR, random_protected=0, protected=0.1)}))
    assert (
        refuted.answer == tuning_claims.enhance_cuts_attacks(read({"enhance": arms(ASR, before=0, after=0.1)})).answer
    )
    assert refuted.answer == "does not hold"


def noisy(start, useful):
    rates = {name: [rate_json(rate(MANY, MANY))] for name in ("top", "random", "bottom", "safety_only")}
    utility = {name: [rate_json(rate(0, MANY))] for name in ("top", "safety_only")}
    return {
        "verify": {
            "noise_ratio": [2.0],
            "baseline": rate_json(rate(start, MANY)),
            **rates,
            "utility": {"baseline": rate_json(rate(useful, MANY)), **utility},
        }
    }


def test_noise_on_a_model_with_nothing_to_lose_shows_nothing():
    unsafe = noise_claims.noise_hurts(read(noisy(start=MANY, useful=MANY)))
    assert unsafe.undecided.startswith("attack success without noise is 1.000 and cannot rise further")
    useless = noise_claims.safety_only_is_cleaner(read(noisy(start=0, useful=0)))
    assert useless.undecided.startswith("utility without noise is 0.000 and cannot fall further")
    assert noise_claims.noise_hurts(read(noisy(start=0, useful=MANY))).why == ""


def test_one_set_of_over_refusal_without_room_is_named():
    enhance = {name: arms(OVER, it=1)["it"] | arms("borderline", it=0)["it"] for name in ("before", "after")}
    verdict = tuning_claims.enhance_keeps_over_refusal(read({"enhance": enhance}))
    assert verdict.answer == "inconclusive"
    assert verdict.why.startswith("harmless prompts: over-refusal before is 1.000")


def test_the_first_screen_says_why_a_claim_is_not_decided():
    report = {"schema": 1, "enhance": arms(UTILITY, before=0, after=0)}
    opening = render_page(read(report)).partition("<main>")[0]
    assert '<span class="why">Utility before is 0.000 and cannot fall by 0.02' in opening
    said = what_it_cannot_say(read(report), verdicts_of(read(report)))[-1]
    assert said == "whether the inconclusive claim holds, which more prompts would not decide"
