import json
import math
from datetime import UTC, datetime
from itertools import product

import pytest
from scipy import stats

from holdfast.evaluate.condition import parse_condition
from holdfast.evaluate.gate import GateOptions
from holdfast.evaluate.logs.comparing import compare_samples, gate_logs
from holdfast.evaluate.logs.inspect_ai import read as read_inspect
from holdfast.evaluate.logs.lm_eval import read as read_lm_eval
from holdfast.evaluate.logs.log import as_time
from holdfast.evaluate.logs.matching import match_samples
from holdfast.evaluate.logs.readers import read_logs
from holdfast.evaluate.scale import UNBOUNDED
from tests.evaluate.logs.constructed import inspect_log, inspect_sample, lm_eval_log

MADE = {
    "inspect": ("inspect/before-once.json", "inspect/after-once.json"),
    "inspect, epochs": ("inspect/before-thrice.json", "inspect/after-thrice.json"),
    "lm-eval": ("lm_eval/before", "lm_eval/after"),
    "garak": ("garak/before-1.report.jsonl", "garak/after-1.report.jsonl"),
    "garak, responses": ("garak/before-3.report.jsonl", "garak/after-3.report.jsonl"),
}


def compared(before, after, *chosen):
    return compare_samples(match_samples(before, after).pairs, chosen)


def judged(before, after, *conditions, measures=(), **options):
    conditions = [parse_condition(one) for one in conditions]
    return gate_logs(before, after, conditions, GateOptions(**options), measures)


def inspect_logs(folder, before, after, **changes):
    return tuple(
        read_inspect(inspect_log(folder / f"{name}.json", scores, **changes))
        for name, scores in (("before", before), ("after", after))
    )


def refuse_other_p_values(logs, measures):
    """Asserts that every p value is scipy's, on the numbers of the samples."""
    assert measures
    later = {(sample.group, sample.key): sample.numbers for sample in logs[1].samples}
    for name, measure in measures.items():
        kind, _, group = name.partition("/")
        pairs = [
            (one.numbers[kind], later[one.group, one.key][kind])
            for one in logs[0].samples
            if kind in one.numbers and group in ("", one.group)
        ]
        before, after = zip(*pairs, strict=True)
        if {*before, *after} <= {0, 1}:
            lost, won = (sum(pair == cell for pair in pairs) for cell in ((1, 0), (0, 1)))
            assert (measure.paired.only_before, measure.paired.only_after) == (lost, won)
            p_value = stats.binomtest(lost, lost + won).pvalue
        else:
            assert measure.mean.n == len(pairs)
            p_value = stats.ttest_rel(after, before).pvalue
        assert measure.p_value == pytest.approx(p_value, rel=1e-9)


@pytest.mark.parametrize("program", MADE)
def test_p_values_on_the_programs_own_logs_are_scipys(made, program):
    logs = read_logs(*(made / path for path in MADE[program]))
    assert logs
    refuse_other_p_values(logs, compared(*logs))


def test_the_public_case_is_not_significant_unpaired_and_is_paired(tmp_path):
    """The pull request 3868 of lm-eval reports p = .080 by its unpaired test and .008 by McNemar's, on n = 220.

    The request gives no data. This table has that n and both values: 30 answers are right only before, 12 only after.
    """
    cells = {(1.0, 1.0): 110, (1.0, 0.0): 30, (0.0, 1.0): 12, (0.0, 0.0): 68}
    before, after = zip(*(pair for pair, count in cells.items() for _ in range(count)), strict=True)
    logs = read_logs(lm_eval_log(tmp_path / "before", before), lm_eval_log(tmp_path / "after", after))
    assert logs
    measure = compared(*logs)["acc"]
    shares = measure.before.value, measure.after.value
    assert shares == (140 / 220, 122 / 220)
    errors = [math.sqrt(share * (1 - share) / (220 - 1)) for share in shares]  # lm-eval's acc_stderr
    unpaired = 2 * stats.norm.sf((shares[0] - shares[1]) / math.hypot(*errors))  # its scripts/model_comparator.py
    assert round(unpaired, 3) == 0.080
    assert round(measure.p_value, 3) == 0.008
    assert measure.p_value == pytest.approx(stats.binomtest(30, 42).pvalue, rel=1e-12)


def test_a_share_has_pairs_and_any_other_number_a_mean(tmp_path):
    share = compared(*inspect_logs(tmp_path, "CCCI", "CIII"))["includes"]
    assert (share.paired.only_before, share.paired.only_after, share.mean) == (2, 0, None)
    assert (share.change.value, share.before.n) == (-0.5, 4)
    mean = compared(*inspect_logs(tmp_path, "CCCP", "CIII"))["includes"]
    assert (mean.paired, mean.mean.n, mean.mean.value) == (None, 4, pytest.approx((1 - 3.5) / 4))
    assert 0 <= mean.before.low < mean.before.value == 0.875
    assert mean.before.high == 1  # Student's interval would end above 1


def test_p_values_are_corrected_for_the_measures_that_are_compared(tmp_path):
    def log(name, letters):
        samples = [inspect_sample(f"q{place}", {"a": one, "b": one}) for place, one in enumerate(letters)]
        return read_inspect(inspect_log(tmp_path / name, [], samples=samples))

    logs = log("before.json", "C" * 6), log("after.json", "I" * 6)
    both, alone = compared(*logs), compared(*logs, "a")
    # Six of six changed: p = 2 / 2^6, and twice that for two measures.
    assert (both["a"].p_value, both["a"].corrected_p) == (2 / 2**6, 4 / 2**6)
    assert (list(alone), alone["a"].corrected_p) == (["a"], 2 / 2**6)


def test_a_sample_that_is_unscored_in_one_log_is_in_no_pair(tmp_path):
    first, second = inspect_logs(tmp_path, ["C", "C", "C"], ["I", "no score", "C"])
    measure = compared(first, second)["includes"]
    assert (measure.paired.n, measure.after.n, measure.after.unscored) == (2, 2, 1)


def test_a_failed_condition_on_unscored_names_the_samples_without_a_score(tmp_path):
    gate = judged(*inspect_logs(tmp_path, ["C", "C", "I", "C"], ["I", None, "C", None]), "includes.unscored > 1")
    finding = gate.findings[0]
    assert finding.outcome == "fails"
    assert len(finding.changed) == 2
    assert all(one.after is None for one in finding.changed)


def test_a_measure_that_one_log_lacks_was_not_measured_there(tmp_path):
    first = read_inspect(inspect_log(tmp_path / "a.json", "CI"))
    second = read_inspect(inspect_log(tmp_path / "b.json", "CI", scorer="match"))
    found = compared(first, second)
    assert (found["includes"].after, found["match"].before, found["match"].p_value) == (None, None, None)
    with pytest.raises(ValueError, match="asks for 'match', which was not measured before"):
        judged(first, second, "match < before")


def test_a_gate_on_logs_decides_as_on_evaluations(tmp_path):
    logs = inspect_logs(tmp_path, "C" * 20, "C" * 10 + "I" * 10)
    outcomes = {bar: judged(*logs, f"includes < before - {bar}").findings[0].outcome for bar in (0.02, 0.6, 0.9)}
    # Half of 20 right answers are lost: surely more than 0.02, surely less than 0.9, and 0.6 is too near to tell.
    assert outcomes == {0.02: "fails", 0.6: "undecided", 0.9: "passes"}
    assert judged(*logs, "includes < before - 0.6", undecided="pass").passed
    finding = judged(*logs, "includes < before - 0.02").findings[0]
    assert finding.prompts == ("q10 ask q10", "q11 ask q11", "q12 ask q12")
    assert finding.changed[0].responses == ("I say C", "I say I")


def test_a_condition_that_no_number_of_samples_can_meet_is_marked(tmp_path):
    few = inspect_logs(tmp_path, "CCCCI", "CCCCI")
    found = judged(*few, "includes < before - 0.02 and p < 0.05").findings[0]
    # Four right answers that are all lost have p = 2 / 2^4 = 0.125.
    assert found.cannot_fail == "only 4 of 5 were correct before, and p < 0.05 needs 6 that change"
    means = inspect_logs(tmp_path, ["C", 0.25], ["I", 0.25])
    assert judged(*means, "includes < before - 0.7").findings[0].cannot_fail.startswith("before is 0.62, and it would")


def test_a_mean_beyond_one_takes_any_bar_and_a_number_up_to_one_no_percentage(tmp_path):
    grades = inspect_logs(tmp_path, [8, 9, 10], [5, 5, 8])
    assert compared(*grades)["includes"].scale == UNBOUNDED
    assert judged(*grades, "includes < before - 2").findings[0].outcome == "undecided"
    with pytest.raises(ValueError, match=r"compares a share, which is at most 1, with 2; write 2% as 0\.02"):
        judged(*inspect_logs(tmp_path, [0.5, 1], [0.5, 0.75]), "includes < before - 2")


def test_a_condition_that_only_a_gain_meets_is_refused_for_scores_of_correctness(tmp_path):
    logs = inspect_logs(tmp_path, "CI", "CI")
    with pytest.raises(ValueError, match="fails the gate where includes rises, which is a gain"):
        judged(*logs, "includes > before - 0.05")
    # Nobody knows whether a rise of somebody's own score is good.
    rude = inspect_logs(tmp_path, "CI", "CI", scorer="rudeness")
    assert judged(*rude, "rudeness > before - 0.05", "rudeness < before").findings[0].outcome == "undecided"


def test_an_unknown_measure_is_refused_with_the_nearest(tmp_path):
    logs = inspect_logs(tmp_path, "CI", "CI")
    said = "the condition 'include < before' names 'include', which neither log has; did you mean 'includes'"
    with pytest.raises(ValueError, match=said):
        judged(*logs, "include < before")
    with pytest.raises(ValueError, match="the chosen measure is 'acc', which neither log has; known: includes"):
        judged(*logs, measures=["acc"])


@pytest.mark.parametrize("program", MADE)
def test_a_chosen_measure_keeps_its_groups(made, program):
    logs = read_logs(*(made / path for path in MADE[program]))
    every = list(compared(*logs))
    for whole in (name for name in every if "/" not in name):
        assert list(compared(*logs, whole)) == [name for name in every if name.partition("/")[0] == whole]


def test_every_cell_of_two_models_is_counted_once(tmp_path):
    cells = list(product("CI", repeat=2)) * 3
    first, second = inspect_logs(tmp_path, [one for one, _ in cells], [two for _, two in cells])
    pair = compared(first, second)["includes"].paired
    assert (pair.both, pair.only_before, pair.only_after, pair.neither) == (3, 3, 3, 3)
    assert json.loads((tmp_path / "before.json").read_text())["samples"][1]["id"] == "q1"


@pytest.mark.parametrize(("most", "outcome"), [(0.1, "fails"), (0.5, "passes"), (0.3, "undecided")])
def test_a_mean_of_numbers_up_to_one_decides_as_shares_of_samples_do(tmp_path, most, outcome):
    logs = inspect_logs(tmp_path, [0.75] * 150, [0.75, 0.25, 0.35] * 50)
    # Means fall by 0.3 exactly, with a standard error of 0.018.
    assert judged(*logs, f"includes < before - {most}").findings[0].outcome == outcome


@pytest.mark.parametrize(("most", "outcome"), [(1, "fails"), (5, "passes"), (3, "undecided")])
def test_a_mean_of_any_numbers_decides_by_the_paired_t_test(tmp_path, most, outcome):
    logs = inspect_logs(tmp_path, [7.5] * 150, [7.5, 2.5, 3.5] * 50)
    assert judged(*logs, f"includes < before - {most}").findings[0].outcome == outcome
    # The same bar on the value of the second model alone.
    assert judged(*logs, f"includes < {7.5 - most}").findings[0].outcome == outcome


def test_samples_that_ended_in_an_error_after_count_against_the_model(tmp_path):
    before = read_inspect(inspect_log(tmp_path / "before.json", "C" * 60))
    samples = [
        inspect_sample(
            f"q{place}", {"includes": "C"} if place < 35 else {}, error=None if place < 35 else {"message": "x"}
        )
        for place in range(60)
    ]
    after = read_inspect(inspect_log(tmp_path / "after.json", [], samples=samples))
    found = judged(before, after, "includes < before - 0.1", "includes < before - 0.6")
    assert [one.outcome for one in found.findings] == ["undecided", "passes"]
    assert "25 of 60 of includes" in found.warnings[0]


def test_samples_that_the_second_log_lacks_count_against_the_model(tmp_path):
    before = read_inspect(inspect_log(tmp_path / "before.json", "C" * 60))
    half = read_inspect(inspect_log(tmp_path / "half.json", "C" * 30))
    found = judged(before, half, "includes < before - 0.2", allow_mismatch=True)
    assert (found.passed, found.measures["includes"].lost.count) == (False, 30)
    # The other way round nothing is lost: the first log never had these samples.
    assert judged(half, before, "includes < before - 0.2", allow_mismatch=True).passed


@pytest.mark.parametrize("fewer", [0, 1], ids=["before", "after"])
def test_a_gate_refuses_logs_of_which_more_than_a_tenth_of_the_samples_have_no_partner(tmp_path, fewer):
    logs = [read_inspect(inspect_log(tmp_path / f"{n}.json", "C" * n)) for n in (60, 54, 53)]
    enough, too_few = [[logs[0], logs[n]] for n in (1, 2)]
    if not fewer:
        enough, too_few = enough[::-1], too_few[::-1]
    assert judged(*enough, "includes < before - 0.3").passed
    with pytest.raises(ValueError, match=r"can't be gated together: only 53 of .* at least 90% of either; evaluate"):
        judged(*too_few, "includes < before - 0.3")
    assert judged(*too_few).warnings, "a comparison without conditions is warned of"


def test_a_gate_refuses_logs_of_another_temperature_or_another_system_message_of_a_step(tmp_path):
    def log(name, temperature, said):
        step = {"solver": "system_message", "params": {"template": said}}
        messages = [{"role": "system", "content": said}, {"role": "user", "content": "ask"}]
        samples = [inspect_sample(f"q{place}", {"a": "C"}, messages=messages) for place in range(60)]
        plan = {"config": {"temperature": temperature}, "steps": [step]}
        return read_inspect(inspect_log(tmp_path / f"{name}.json", [], samples=samples, plan=plan))

    before = log("before", 0, "Refuse what is harmful.")
    condition = "a < before - 0.2"
    assert judged(before, log("as-before", 0, "Refuse what is harmful."), condition).passed
    with pytest.raises(ValueError, match=r"temperature was '0' and is '1'; .* by allow_mismatch=True"):
        judged(before, log("warm", 1, "Refuse what is harmful."), condition)
    with pytest.raises(ValueError, match=r"system message of the samples was 'Refuse .*' and is 'Always agree.'"):
        judged(before, log("agrees", 0, "Always agree."), condition)
    found = judged(before, log("both", 1, "Always agree."), condition, allow_mismatch=True)
    assert found.passed
    assert "temperature was '0' and is '1'" in found.warnings[0]


def test_a_system_message_that_no_setting_and_no_step_shows_is_found_in_the_messages(tmp_path):
    def log(name, *messages):
        samples = [inspect_sample("q", {"a": "C"}, messages=[*messages, {"role": "user", "content": "ask"}])]
        return read_inspect(inspect_log(tmp_path / f"{name}.json", [], samples=samples))

    with pytest.raises(ValueError, match=r"system message of the samples was '' and is 'Agree.'"):
        judged(log("before"), log("after", {"role": "system", "content": "Agree."}), "a < before - 0.2")


def test_a_task_that_the_second_run_lacks_counts_against_the_model(tmp_path):
    logs = [lm_eval_log(tmp_path / name, [1.0] * 40) for name in ("before", "after")]
    lm_eval_log(tmp_path / "before", [1.0] * 40, task="other")
    (tmp_path / "before").joinpath("results_2026-11-30T10-00-00.000000.json").unlink()
    first, second = read_logs(*logs)
    found = judged(first, second, "acc < before - 0.2", allow_mismatch=True)
    assert (found.passed, found.measures["acc"].lost.count) == (False, 40)


@pytest.mark.parametrize(("scores", "worst"), [([0.5, 0.75] * 30, 0.0), ([3, 9] * 30, 3.0)])
def test_a_lost_mean_is_filled_by_the_end_of_its_scale_or_the_smallest_number(tmp_path, scores, worst):
    before = read_inspect(inspect_log(tmp_path / "before.json", scores))
    after = read_inspect(inspect_log(tmp_path / "after.json", [*scores[:40], *["no score"] * 20]))
    lost = compared(before, after)["includes"].lost
    # 40 of 60 unchanged, 20 filled.
    mean = sum(scores) / 60
    assert lost.uncounted.after.value == pytest.approx((40 * mean + 20 * worst) / 60)


def test_an_epoch_without_a_score_counts_against_the_model(tmp_path):
    def log(name, broken):
        samples = [
            inspect_sample(f"q{place}", {"a": "C"}, epoch, error={"message": "x"} if broken and epoch == 2 else None)
            for place in range(60)
            for epoch in (1, 2)
        ]
        return read_inspect(inspect_log(tmp_path / name, [], samples=samples))

    found = judged(log("before.json", False), log("after.json", True), "a < before - 0.1")
    assert (found.passed, found.measures["a"].lost.count) == (False, 60)
    assert found.measures["a"].lost.uncounted.after.value == 0.5


def test_another_number_of_epochs_is_warned_of(tmp_path):
    twice = [inspect_sample(f"q{place}", {"a": "C"}, epoch) for place in range(5) for epoch in (1, 2)]
    logs = [
        read_inspect(inspect_log(tmp_path / f"{name}.json", [], samples=samples))
        for name, samples in (("before", twice[::2]), ("after", twice))
    ]
    assert judged(*logs).warnings == (
        "5 of 5 samples have other numbers of responses (epochs) in both logs: the first has 1 before and 2 after.",
    )


def test_the_name_of_a_samples_file_dates_a_log_of_lm_eval(tmp_path):
    folder = lm_eval_log(tmp_path / "a", [1.0, 0.0])
    assert read_lm_eval(folder).began == datetime(2026, 11, 30, 10, tzinfo=UTC)


@pytest.mark.parametrize("value", ["yesterday", None, [1], 1e30, float("nan")])
def test_what_is_no_date_is_none(value):
    assert as_time(value) is None


def test_dates_are_in_utc():
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert as_time("2026-12-01T13:00:00+01:00") == as_time("2026-12-01T12:00:00") == as_time(noon.timestamp()) == noon
