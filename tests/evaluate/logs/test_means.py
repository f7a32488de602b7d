"""A log whose samples do not give the means that it records is refused, and a true one is not."""

import json
import math
import shutil

import pytest

from holdfast.evaluate.logs.means import require_mean
from holdfast.evaluate.logs.readers import read_log
from tests.evaluate.logs.constructed import inspect_log, inspect_sample, lm_eval_log, lm_eval_row
from tests.evaluate.logs.programs.making import EXAMPLES

CONTRADICTS = "is a log of {} that contradicts itself: {} is 0.5, and its 2 samples give 1; evaluate again"


def results_of(metrics, scorer="includes", **changes):
    entry = {"name": scorer, "scorer": "includes", "metrics": metrics} | changes
    return {"results": {"total_samples": 2, "scores": [entry]}}


def metric(value, name="accuracy", **params):
    return {name: {"name": name, "value": value, "params": params}}


def of_task(value, key="acc,none", metric_list=({"metric": "acc"},)):
    return {"results": {"choose": {key: value}}, "configs": {"choose": {"metric_list": [*metric_list]}}}


def test_the_logs_that_the_programs_made_are_read(made):
    logs = [
        *made.glob("inspect/*.json"),
        *made.glob("lm_eval/*"),
        *EXAMPLES.glob("inspect/*"),
        *EXAMPLES.glob("lm_*/*"),
    ]
    assert len(logs) == 10
    assert all(read_log(log) for log in logs)


@pytest.mark.parametrize("edited", ["before-once", "before-thrice"])
def test_a_log_of_inspect_with_an_edited_sample_is_refused(made, tmp_path, edited):
    log = json.loads((made / f"inspect/{edited}.json").read_text())
    wrong = next(one for one in log["samples"] if one["scores"]["includes"]["value"] == "I")
    wrong["scores"]["includes"]["value"] = "C"
    (tmp_path / "edited.json").write_text(json.dumps(log))
    with pytest.raises(ValueError, match=r"contradicts itself: includes is 0\.\d+, and its 12 samples give 0\.\d+;"):
        read_log(tmp_path / "edited.json")


def test_a_log_of_lm_eval_with_an_edited_sample_is_refused_also_for_one_filter(made, tmp_path):
    for metric_name, words in (("acc", "acc of task 'choose'"), ("exact_match", "exact_match,strict of task 'say'")):
        folder = shutil.copytree(made / "lm_eval/before", tmp_path / metric_name)
        (samples,) = folder.glob(f"samples_{words.split(chr(39))[1]}_*")
        lines = samples.read_text().splitlines()
        place = next(place for place, line in enumerate(lines) if json.loads(line)[metric_name] == 0)
        lines[place] = json.dumps({**json.loads(lines[place]), metric_name: 1.0})
        samples.write_text("\n".join(lines))
        with pytest.raises(ValueError, match=rf"contradicts itself: {words} is 0\.\d+, and its 12 samples give 0"):
            read_log(folder)


@pytest.mark.parametrize(
    ("scores", "changes", "refused"),
    [
        ("CC", results_of(metric(0.5)), True),
        ("CC", results_of(metric(0.5, "mean")), True),
        ("CI", results_of(metric(0.5)), False),
        ("CC", results_of(metric(0.5), reducer="mean"), True),
        ("CC", results_of(metric(0.5), reducer="mode"), False),
        ("CC", results_of(metric(0.5, to_float="another")), False),
        ("CC", results_of({"accuracy": {"name": "mine/accuracy", "value": 0.5}}), False),
        ("CC", results_of(metric(0.5, "mean_of_my_own")), False),
        ("CC", results_of(metric(0.5), scorer="part"), False),
        ("CC", results_of(metric(None)), False),
        (["C", "a text"], results_of(metric(0.5)), False),
        (["C", "a text"], results_of(metric(1.0)), False),
        (["C", "a text"], results_of(metric(0.0)), True),
        ("CC", {"results": None}, False),
    ],
)
def test_of_inspect_only_plain_means_are_checked(tmp_path, scores, changes, refused):
    path = inspect_log(tmp_path / "log.json", scores, **changes)
    if not refused:
        assert read_log(path)
        return
    with pytest.raises(ValueError, match="contradicts itself: includes is 0"):
        read_log(path)


def test_a_value_with_several_keys_and_a_sample_that_ended_in_an_error_are_checked(tmp_path):
    keyed = [inspect_sample(name, {"includes": {"part": 1}}) for name in "ab"]
    with pytest.raises(ValueError, match=CONTRADICTS.format("inspect", "includes/part")):
        read_log(inspect_log(tmp_path / "keyed.json", [], samples=keyed, **results_of(metric(0.5), scorer="part")))
    samples = [inspect_sample("a", {"includes": "C"}), inspect_sample("b", {"includes": "I"}, error={"message": "no"})]
    for mean, refused in ((1.0, False), (0.5, False), (0.0, True)):
        path = inspect_log(tmp_path / "errors.json", [], samples=samples, **results_of(metric(mean)))
        if refused:
            with pytest.raises(ValueError, match="contradicts itself"):
                read_log(path)
        else:
            assert read_log(path)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        (of_task(0.5), True),
        (of_task(0.5, key="acc"), True),
        (of_task(1.0), False),
        (of_task(0.5, metric_list=[{"metric": "acc", "aggregation": "mean"}]), True),
        (of_task(0.5, metric_list=[{"metric": "acc", "aggregation": "median"}]), False),
        (of_task(0.5, metric_list=[{"metric": "other"}]), False),
        (of_task(0.5, key="acc_stderr,none"), False),
        (of_task(0.5, key="acc,another"), False),
        ({"results": {"choose": {"acc,none": 0.5}}}, False),
        ({"results": {}}, False),
    ],
)
def test_of_lm_eval_only_what_a_task_averages_is_checked(tmp_path, changes, refused):
    folder = lm_eval_log(tmp_path / "run", [1.0, 1.0], **changes)
    if not refused:
        assert read_log(folder)
        return
    with pytest.raises(ValueError, match=CONTRADICTS.format("lm-eval", "acc of task 'choose'")):
        read_log(folder)


def test_a_document_without_the_metric_is_left_out(tmp_path):
    rows = [lm_eval_row(0, {"acc": 1.0}), lm_eval_row(1, {"other": 1.0}), lm_eval_row(2, {"acc": 0.0})]
    assert read_log(lm_eval_log(tmp_path / "run", [], rows=rows, **of_task(0.5)))


def test_rounding_is_no_contradiction(tmp_path):
    require_mean(tmp_path, "inspect", "mean", 1 / 3 + 1e-6, [0.0, 0.0, 1.0])
    require_mean(tmp_path, "inspect", "mean", 1e6 + 1, [1e6])
    with pytest.raises(ValueError, match=r"mean is 0\.3334, and its 3 samples give 0\.3333"):
        require_mean(tmp_path, "inspect", "mean", 0.3334, [0.0, 0.0, 1.0])


@pytest.mark.parametrize("recorded", [math.nan, math.inf, "N/A", "0.5"])
def test_a_mean_that_is_no_number_contradicts_samples_that_have_some(tmp_path, recorded):
    with pytest.raises(ValueError, match=f"acc is {recorded!r}, and its 2 samples give 0.5"):
        require_mean(tmp_path, "lm-eval", "acc", recorded, [0.0, 1.0])
    require_mean(tmp_path, "lm-eval", "acc", recorded, [None, None])
    require_mean(tmp_path, "lm-eval", "acc", None, [0.0, 1.0])
