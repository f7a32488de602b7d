"""The measures have one order and one table of words, wherever they are listed."""

import random

import pytest

from holdfast.commands.evaluate import evaluation_rows
from holdfast.evaluate import looked_up
from holdfast.evaluate.attack_success import any_of
from holdfast.evaluate.measures import compare_measures
from holdfast.measure_names import LABELS, ROWS, WORDS, is_category, mark_of, measure_words, place_of, words_and_name
from holdfast.outcomes import Rate
from holdfast.report.arms import Arm, measure_label, measures_of
from holdfast.report.schema import suite_json
from holdfast.report.tables import arm_table
from tests.evaluate.constructed import aligned, answers, evaluation, first
from tests.report.sample import read_suite

ORDER = ["refusal", "over_refusal", "asr", "coherence", "utility", "perplexity", "cut_off"]
RATE = Rate(0.5, 0.4, 0.6, 90)


def measured():
    groups = {"cut_off/all": RATE, "coherence/all": RATE, "refusal/harmful": RATE}
    return aligned(perplexity=3.0, **groups)


def test_totals_come_first_then_strangers_and_categories_last():
    names = [*WORDS, "asr/heldout", "asr_any_of_4/harmful", "lm_eval/arc/acc", "mine"]
    mixed = names.copy()
    random.Random(0).shuffle(mixed)
    found = sorted(mixed, key=place_of)
    assert [name for name in found if name in WORDS] == list(WORDS)
    assert found[found.index("asr") :][:2] == ["asr", "asr_any_of_4/harmful"]
    assert found[-3:] == ["lm_eval/arc/acc", "mine", "asr/heldout"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("refusal/chemical", True),
        ("asr/heldout", True),
        ("refusal/harmful", False),
        ("over_refusal/questions", False),
        ("coherence/harmful", False),
        ("response_length/harmless", False),
        ("borderline", False),
        ("lm_eval/arc/acc", False),
    ],
)
def test_a_category_is_a_part_of_a_prompt_set(name, expected):
    assert is_category(name) == expected
    assert mark_of(name, 4) == (" (few prompts)" if expected else "")
    assert mark_of(name, 10) == ""


def with_categories():
    parts = [answers("utility", first(2, 3), "algebra"), answers("utility", first(1, 12), "zoology")]
    return evaluation(*parts, answers("over_refusal", first(0, 9)))


def test_the_terminal_lists_categories_after_all_totals_and_marks_those_of_few_prompts():
    rows = [words for words, _ in evaluation_rows(with_categories())]
    assert rows == [
        "over-refusal",
        "utility, right answers",
        "utility, right answers, algebra (few prompts)",
        "utility, right answers, zoology",
    ], "over-refusal has few prompts too, but is no category"


def test_many_categories_of_few_prompts_are_one_row():
    parts = [answers("utility", first(1, 2), f"topic {number}") for number in range(4)]
    rows = dict(evaluation_rows(evaluation(*parts, answers("utility", first(1, 12), "zoology"))))
    assert list(rows) == ["utility, right answers", "utility, right answers, zoology", "categories of few prompts"]
    assert rows["categories of few prompts"] == "4, listed with --json"


def test_the_table_of_arms_does_so_too():
    arms = [Arm("start", "before", read_suite(suite_json(with_categories())))]
    assert [row[0] for row in arm_table("SET", arms).rows] == [
        "Over-refusal",
        "Utility",
        "Utility, algebra (few prompts)",
        "Utility, zoology",
    ]


def test_the_terminal_lists_them_so():
    rows = [words for words, _ in evaluation_rows(measured())]
    assert [words for words in rows if words in [ROWS[name] for name in ORDER]] == [
        ROWS[name] for name in ORDER if name != "over_refusal"
    ], "over-refusal was not asked of this model"


def test_the_page_lists_them_so():
    found = measures_of([Arm("start", "before", read_suite(suite_json(measured())))])
    assert found == sorted(found, key=place_of)
    assert [name for name in found if name in ORDER] == ["refusal", "asr", "utility", "perplexity"]
    assert [measure_label(name) for name in LABELS] == list(LABELS.values())


def test_a_gate_lists_them_so():
    found = list(compare_measures(measured(), measured()))
    assert found == sorted(found, key=place_of)
    assert [name for name in found if name in ORDER] == ["refusal", "asr", "coherence", "utility", "perplexity"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("asr", "attack success rate"),
        ("asr/heldout", "attack success rate, heldout"),
        ("refusal/harmful", "refusals of harmful prompts"),
        ("cut_off/all", "share of answers cut off"),
        ("kl/harmless", "KL divergence from the reference, harmless"),
        ("lm_eval/arc_easy/acc_norm", "lm-eval arc_easy, acc_norm"),
        (any_of(5), "attack success rate, any of 5 tries"),
        ("perplexity", "perplexity"),
        ("mine/all", "mine, all"),
    ],
)
def test_a_measure_has_words(name, words):
    assert measure_words(name) == words


def test_every_measure_of_a_gate_has_words():
    assert [name for name in looked_up.MEASURES if name not in ROWS] == []


def test_a_measure_in_words_is_followed_by_the_name_that_conditions_use():
    assert words_and_name("asr/heldout") == "attack success rate, heldout (asr/heldout)"
    assert words_and_name("mine") == "mine"
