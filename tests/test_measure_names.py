"""The measures have one order and one table of words, wherever they are listed."""

import random

from holdfast.commands.evaluate import evaluation_rows
from holdfast.evaluate.measures import compare_measures
from holdfast.measure_names import LABELS, ROWS, WORDS, place_of
from holdfast.outcomes import Rate
from holdfast.report.arms import Arm, measure_label, measures_of
from holdfast.report.schema import suite_json
from tests.evaluate.constructed import aligned

ORDER = ["refusal", "over_refusal", "asr", "coherence", "utility", "perplexity", "cut_off"]
RATE = Rate(0.5, 0.4, 0.6, 90)


def measured():
    groups = {"cut_off/all": RATE, "coherence/all": RATE, "refusal/harmful": RATE}
    return aligned(perplexity=3.0, **groups)


def test_groups_follow_their_measure_and_strangers_come_last():
    names = [*WORDS, "asr/heldout", "asr_any_of_4/harmful", "lm_eval/arc/acc", "mine"]
    mixed = names.copy()
    random.Random(0).shuffle(mixed)
    found = sorted(mixed, key=place_of)
    assert [name for name in found if name in WORDS] == list(WORDS)
    assert found[found.index("asr") :][:3] == ["asr", "asr/heldout", "asr_any_of_4/harmful"]
    assert found[-2:] == ["lm_eval/arc/acc", "mine"]


def test_the_terminal_lists_them_so():
    rows = [words for words, _ in evaluation_rows(measured())]
    assert [words for words in rows if words in [ROWS[name] for name in ORDER]] == [
        ROWS[name] for name in ORDER if name != "over_refusal"
    ], "over-refusal was not asked of this model"


def test_the_page_lists_them_so():
    found = measures_of([Arm("start", "before", suite_json(measured()))])
    assert found == sorted(found, key=place_of)
    assert [name for name in found if name in ORDER] == ["refusal", "asr", "utility", "perplexity"]
    assert [measure_label(name) for name in LABELS] == list(LABELS.values())


def test_a_gate_lists_them_so():
    found = list(compare_measures(measured(), measured()))
    assert found == sorted(found, key=place_of)
    assert [name for name in found if name in ORDER] == ["refusal", "asr", "coherence", "utility", "perplexity"]
