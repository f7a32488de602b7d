from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.evaluate.logs.log import Log, Sample
from holdfast.evaluate.logs.matching import match_samples, warning_of_generation


def log(name, keys, group=None, **changes):
    samples = tuple(Sample(key, f"ask {key}", f"data of {key}", {"acc": 1.0}, group) for key in keys)
    made = Log("lm-eval", "0.4.13", Path(name), name, samples, {"task": "kites", "its version": 1}, {"temperature": 0})
    return replace(made, **changes)


def test_samples_match_by_id_whatever_their_order():
    matched = match_samples(log("a", "pqr"), log("b", "rpq"))
    assert [(first.key, second.key) for first, second in matched.pairs] == [("p", "p"), ("q", "q"), ("r", "r")]
    assert (str(matched), matched.warning) == ("all 3 samples of both logs match", None)


def test_samples_that_one_log_lacks_are_counted_and_warned_of():
    matched = match_samples(log("a", "pqrs"), log("b", "rsx"))
    assert (len(matched.pairs), matched.only_before, matched.only_after) == (2, 2, 1)
    assert matched.warning
    assert matched.warning.startswith("2 of 4 samples before match 2 of 3 after; the others are left out")


def test_equal_ids_of_different_tasks_do_not_match():
    first, second = log("a", "pq", "birds"), log("b", "pq", "fish")
    with pytest.raises(ValueError, match=r"'a' and 'b' are of different tasks: birds and fish; give logs of one task"):
        match_samples(first, second)
    both = replace(second, samples=second.samples + first.samples)
    assert len(match_samples(first, both).pairs) == 2


def test_logs_of_different_tasks_versions_or_programs_are_refused():
    other = log("b", "pq", scoring={"task": "hats", "its version": 1})
    with pytest.raises(ValueError, match="did not measure the same: task was 'kites' and is 'hats'; evaluate both"):
        match_samples(log("a", "pq"), other)
    with pytest.raises(ValueError, match="its version was '1' and is '2'"):
        match_samples(log("a", "pq"), log("b", "pq", scoring={"task": "kites", "its version": 2}))
    with pytest.raises(ValueError, match="'a' is a log of lm-eval and 'b' one of garak; give two logs of one program"):
        match_samples(log("a", "pq"), log("b", "pq", program="garak"))


def test_one_task_without_a_common_sample_is_refused():
    said = "no sample of 'a' is in 'b', though both are of one task: the first has 'p' and the second 'x'"
    with pytest.raises(ValueError, match=said):
        match_samples(log("a", "pq"), log("b", "xy"))


def test_one_id_with_other_data_is_refused():
    second = log("b", "pq")
    changed = replace(second, samples=(second.samples[0], replace(second.samples[1], asked="other data")))
    with pytest.raises(ValueError, match="1 of 2 samples have one id and different data in 'a' and 'b', the first is"):
        match_samples(log("a", "pq"), changed)


def test_other_settings_of_responses_are_warned_of():
    first = log("a", "pq")
    assert warning_of_generation(first, log("b", "pq")) is None
    warned = warning_of_generation(first, log("b", "pq", generation={"temperature": 1}))
    assert warned == "the two logs differ in more than the model: temperature was '0' and is '1'."
    # A setting that one log does not record is no difference.
    assert warning_of_generation(first, log("b", "pq", generation={})) is None
