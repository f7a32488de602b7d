from holdfast.report.page import render_page
from holdfast.report.repeats import repeats_of
from tests.report.sample import full_report, read


def with_counts(**sets):
    report = full_report()
    names = ("prompts", "repeats", "near_calibration")
    counts = {name: dict(zip(names, found, strict=True)) for name, found in sets.items()}
    report["provenance"]["overlap"] = {"sets": counts}
    return report


def test_a_rate_of_prompts_that_repeat_each_other_is_worth_a_smaller_n():
    report = with_counts(harmful=(480, 300, 170), harmless=(240, 0, 30))
    assert repeats_of(read(report), "asr") == repeats_of(read(report), "refusal")
    assert repeats_of(read(report), "asr") == (
        "Of 480 harmful prompts, 300 nearly repeat an earlier one (worth about n=180) and 170 resemble one that scores "
        "or training used."
    )
    assert (
        repeats_of(read(report), "over_refusal")
        == "Of 240 harmless prompts, 30 resemble one that scores or training used."
    )


def test_few_near_duplicates_are_not_worth_a_line():
    assert repeats_of(read(with_counts(harmful=(480, 23, 23))), "asr") is None
    assert repeats_of(read(with_counts(harmful=(480, 24, 0))), "asr") is not None


def test_what_was_not_counted_is_not_said():
    assert repeats_of(read(full_report()), "asr") is None
    assert repeats_of(read(with_counts(harmless=(240, 200, 0))), "asr") is None
    assert repeats_of(read(with_counts(harmful=(480, 300, 0))), "asr/heldout") is None


def test_near_duplicates_stand_in_the_cards_and_beside_the_figures_of_their_rates():
    page = render_page(read(with_counts(harmful=(480, 300, 0))))
    opening, _, rest = page.partition("<main>")
    assert opening.count("300 nearly repeat an earlier one") == 3
    figures = [part.partition("</figure>")[0] for part in rest.split("<figure>")[1:]]
    named = [figure for figure in figures if "300 nearly repeat an earlier one" in figure]
    # Attack success under noise, and both measures of harmful prompts in either experiment.
    assert len(named) == 5
    assert all("Attack success" in figure or "Refusals of harmful" in figure for figure in named)
