import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.stats import t, ttest_rel

from holdfast.artifacts import load_evaluation, save_evaluation, save_json
from holdfast.commands.evaluate import evaluation_rows
from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.consistent import require_consistent
from holdfast.evaluate.gate import compare_measures, gate
from holdfast.evaluate.pooled import pool_evaluations
from holdfast.evaluate.response_length import add_lengths, changes_of_length, length_rates
from holdfast.evaluate.statistics import NOT_MEASURED, rate
from holdfast.measure_names import measure_words
from holdfast.models.response_log import Response
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate
from holdfast.pipeline.gate_record import _measure
from holdfast.report.gate import _cells

BEFORE, AFTER = (40, 52, 61, 35, 48, 57), (12, 20, 9, 30, 11, 14)


def answers(lengths, measure="over_refusal", samples=1):
    """One answer a length. None stands for a response from logits that are not finite."""
    outcome = Outcome("correct" if measure == "utility" else "complied")
    return [
        Answer(f"{measure} {place // samples}", "well", outcome, measure, sample=place % samples, tokens=tokens)
        for place, tokens in enumerate(lengths)
    ]


def evaluation(lengths, *others, samples=1):
    every = (*answers(lengths, samples=samples), *(answer for part in others for answer in part))
    over = rate([one.outcome for one in every if one.measure == "over_refusal"], "refused")
    useful = rate([one.outcome for one in every if one.measure == "utility"], "correct")
    return Evaluation(NOT_MEASURED, over, useful, None, groups=length_rates(every), answers=every)


def ends(values):
    """The t interval of the mean, by scipy."""
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return np.mean(values) - half, np.mean(values) + half


def test_a_length_counts_what_the_model_wrote_and_broken_logits_are_unscored():
    responses = [
        Response("a", [9, 9, 9], [5, 6, 7], "one two three", finished=True),
        Response("b", [9], [], "", finished=True),
        Response("c", [9], [], "", finished=False, broken=True),
    ]
    unread = {"over_refusal": answers([None, None]), "refusal": answers([None], "refusal")}
    found = add_lengths(unread, responses)
    assert [[answer.tokens for answer in part] for part in found.values()] == [[3, 0], [None]]


def test_each_prompt_set_has_its_mean_with_the_t_interval():
    found = length_rates([*answers(BEFORE), *answers([3, 5], "utility"), *answers([2], "refusal")])
    assert list(found) == ["response_length/harmful", "response_length/harmless", "response_length/questions"]
    harmless = found["response_length/harmless"]
    assert (harmless.value, harmless.n) == (pytest.approx(np.mean(BEFORE)), 6)
    assert (harmless.low, harmless.high) == pytest.approx(ends(BEFORE))
    assert found["response_length/questions"].low == 0, "4 -+ 12.7 ends at 0: no response has fewer tokens"
    assert found["response_length/harmful"] == Rate(2.0, None, None, 1), "one prompt has no interval"


def test_what_was_not_generated_is_unscored_and_never_zero():
    assert length_rates(answers([None, None])) == {"response_length/harmless": Rate(None, None, None, 0, 2)}
    found = length_rates(answers([10, None, 20]))["response_length/harmless"]
    assert (found.value, found.n, found.unscored) == (15.0, 2, 1)


def test_samples_of_a_prompt_make_one_mean_each():
    found = length_rates(answers([10, 30, 60, 100], samples=2))["response_length/harmless"]
    assert (found.value, found.n) == (50.0, 4)
    assert found.high == pytest.approx(ends([20, 80])[1])


def test_the_change_is_paired_by_prompt():
    found = changes_of_length(evaluation(BEFORE), evaluation(AFTER))["response_length/harmless"]
    differences = np.subtract(AFTER, BEFORE)
    assert (found.value, found.n) == (pytest.approx(differences.mean()), 6)
    assert (found.low, found.high) == pytest.approx(ends(differences))
    assert found.p_value == pytest.approx(ttest_rel(AFTER, BEFORE).pvalue)
    assert changes_of_length(evaluation([8]), evaluation([9])) == {}, "one prompt has no interval"


def test_a_prompt_without_a_length_on_one_side_is_in_no_pair():
    found = changes_of_length(evaluation([10, 20, None, 40]), evaluation([11, None, 30, 43]))
    assert (found["response_length/harmless"].value, found["response_length/harmless"].n) == (2.0, 2)


def test_a_gate_fails_where_answers_get_shorter():
    texts = ("response_length < before - 10 and p < 0.05", "response_length.high < 10", "response_length > before")
    found = gate(evaluation(BEFORE), evaluation(AFTER), [parse_condition(text) for text in texts])
    assert [one.passed for one in found.findings] == [False, True, True]
    assert found.findings[0].outcome == "fails"
    p = f"paired p {ttest_rel(AFTER, BEFORE).pvalue:.3f}"
    assert f"tokens on the same 6 prompts, {p}" in found.findings[0].numbers
    measure = found.measures["response_length"]
    assert (measure.change.value, measure.difference) == (
        pytest.approx(-32.833, abs=1e-3),
        pytest.approx(-32.833, 1e-3),
    )
    before, after, change, flips, p = _cells("response_length", _measure(measure))
    assert (before[:5], after[:5], flips, p) == ("48.83", "16.00", "", "0.004 (0.008)"), "corrected for two tests"
    assert change.startswith("-32.8 [-49.")


def test_a_length_is_no_share_so_numbers_above_one_are_allowed_and_a_longer_answer_is_no_loss():
    found = gate(evaluation(AFTER), evaluation(BEFORE), [parse_condition("response_length < before - 10")])
    assert found.passed
    assert not found.warnings


def test_evaluate_shows_it_in_words():
    rows = dict(evaluation_rows(evaluation(BEFORE, answers([3, 5], "utility"))))
    assert rows["mean response length in tokens, harmless prompts"] == "48.83 [38.39, 59.27] n=6"
    assert rows["mean response length in tokens, questions"].startswith("4.00 [0.00")


def test_a_length_always_names_its_prompt_set():
    rows = dict(evaluation_rows(evaluation((), answers([5, 7], "refusal"))))
    assert "mean response length in tokens, harmful prompts" in rows
    assert "mean response length in tokens" not in rows
    assert measure_words("response_length") == "mean response length in tokens, harmless prompts", "as compare has it"


def test_files_keep_it_and_older_files_say_that_it_is_missing(tmp_path):
    new = evaluation(BEFORE)
    save_evaluation(tmp_path / "new.json", new)
    assert load_evaluation(tmp_path / "new.json") == new
    content = asdict(new)
    for record in content["answers"]:
        del record["tokens"]
    save_json(tmp_path / "old.json", content | {"groups": {}})
    old = load_evaluation(tmp_path / "old.json")
    assert old.answers[0].tokens is None
    require_consistent(old, "old.json")
    assert compare_measures(old, new)["response_length"].before is None
    assert changes_of_length(old, new) == {}
    with pytest.raises(ValueError, match="was not measured before; evaluate both checkpoints again"):
        gate(old, new, [parse_condition("response_length < 10")])


@pytest.mark.parametrize("wrong", [{"value": 50.0}, {"high": 99.0}, {"n": 5}])
def test_a_length_that_contradicts_its_answers_is_refused(wrong):
    true = evaluation(BEFORE)
    require_consistent(true, "true.json")
    edited = {name: replace(measured, **wrong) for name, measured in true.groups.items()}
    with pytest.raises(ValueError, match=r"response_length/harmless.* the lengths of its answers give"):
        require_consistent(replace(true, groups=edited), "edited.json")


def test_draws_pool_over_prompts_and_draws():
    rows = np.array([BEFORE, AFTER, (30, 41, 22, 33, 40, 29)])
    found = pool_evaluations([evaluation(list(row)) for row in rows.tolist()]).groups["response_length/harmless"]
    of_prompts = np.var(rows.mean(axis=0), ddof=1) / 6
    of_draws = np.var(rows.mean(axis=1), ddof=1) / 3
    quantile = t.ppf(0.975, [5, 2])
    weight = (of_draws / (of_prompts + of_draws)) ** 1.5
    half = math.sqrt(quantile[0] ** 2 + weight * (quantile[1] ** 2 - quantile[0] ** 2)) * math.sqrt(
        of_prompts + of_draws
    )
    assert (found.value, found.n) == (pytest.approx(rows.mean()), 18)
    assert found.high == pytest.approx(rows.mean() + half)
    one = evaluation(BEFORE)
    assert pool_evaluations([one]).groups == one.groups
