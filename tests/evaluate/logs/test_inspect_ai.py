import json

import pytest

from holdfast.evaluate.logs.comparing import summarize
from holdfast.evaluate.logs.inspect_ai import is_log, read
from tests.evaluate.logs.constructed import inspect_log, inspect_sample
from tests.evaluate.logs.programs.items import QUESTIONS


@pytest.mark.parametrize("name", ["before-once", "after-once", "before-thrice", "after-thrice"])
def test_every_measure_has_the_value_that_inspect_reports(made, name):
    path = made / f"inspect/{name}.json"
    reported = {
        score["name"]: next(metric["value"] for key, metric in score["metrics"].items() if key != "stderr")
        for score in json.loads(path.read_text())["results"]["scores"]
    }
    found = summarize(read(path))
    assert {name: rate.value for name, rate in found.items()} == pytest.approx(reported)
    assert set(found) == {"includes", "nearly", "shortness"}
    assert {rate.n for rate in found.values()} == {len(QUESTIONS)}


def test_an_archive_reads_as_its_json(made):
    pytest.importorskip("zstandard", reason="inspect compresses by Zstandard")
    archive, text = (read(made / f"inspect/before-once.{suffix}") for suffix in ("eval", "json"))
    assert sorted(archive.samples, key=lambda one: one.key) == sorted(text.samples, key=lambda one: one.key)
    assert (archive.model, archive.version, archive.scoring) == ("mockllm/before", "0.3.285", text.scoring)


def test_epochs_of_a_sample_are_one_sample_with_their_mean(tmp_path):
    samples = [inspect_sample("q", {"includes": letter}, epoch) for epoch, letter in enumerate("CIC", start=1)]
    (sample,) = read(inspect_log(tmp_path / "log.json", [], samples=samples)).samples
    assert sample.numbers == {"includes": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("C", 1), ("I", 0), ("P", 0.5), ("N", 0), ("yes", 1), ("No", 0), ("True", 1), (True, 1), (False, 0),
        (0.25, 0.25), (3, 3), ("0.75", 0.75), ("rather good", None), ("c", None), (None, None), ("nan", None),
    ],
)  # fmt: skip
def test_values_become_numbers_by_inspects_rule_and_other_texts_are_unscored(tmp_path, value, number):
    samples = [inspect_sample("q", {"grade": value}), inspect_sample("r", {"grade": 1})]
    first, _ = read(inspect_log(tmp_path / "log.json", [], samples=samples)).samples
    assert first.numbers["grade"] == number


def test_a_scorer_of_several_values_gives_several_measures_and_a_list_none(tmp_path):
    samples = [inspect_sample("q", {"rubric": {"clear": 1, "kind": "I"}, "pieces": [1, 2]})]
    (sample,) = read(inspect_log(tmp_path / "log.json", [], samples=samples)).samples
    assert sample.numbers == {"rubric/clear": 1, "rubric/kind": 0}


def test_a_sample_that_ended_in_an_error_is_unscored(tmp_path):
    failed = inspect_sample("r", {}, error={"message": "down"})
    log = read(inspect_log(tmp_path / "log.json", [], samples=[inspect_sample("q", {"includes": "C"}), failed]))
    rate = summarize(log)["includes"]
    assert (rate.value, rate.n, rate.unscored) == (1, 1, 1)


def test_ids_of_messages_make_no_other_input(tmp_path):
    def log(name, message):
        asked = [{"id": message, "role": "user", "content": "ask"}]
        return read(inspect_log(tmp_path / name, [], samples=[inspect_sample("q", {"includes": "C"}, asked=asked)]))

    first, second = log("a.json", "m1").samples[0], log("b.json", "m2").samples[0]
    assert (first.asked, first.prompt) == (second.asked, "ask")


def test_a_run_that_did_not_end_in_success_is_refused(tmp_path):
    for status in ("started", "cancelled", "error"):
        with pytest.raises(ValueError, match=f"was cut off: its status is '{status}'; let the evaluation finish"):
            read(inspect_log(tmp_path / "log.json", "CI", status=status))
    with pytest.raises(ValueError, match="was cut off: it has 2 of 3 samples"):
        read(inspect_log(tmp_path / "log.json", "CI", results={"total_samples": 3}))


def test_a_log_that_inspect_marked_as_invalid_is_refused(tmp_path):
    with pytest.raises(ValueError, match="was marked as invalid"):
        read(inspect_log(tmp_path / "log.json", "CI", invalidated=True))


def test_a_log_of_another_version_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a log of inspect of version 3, and holdfast reads version 2; evaluate"):
        read(inspect_log(tmp_path / "log.json", "CI", version=3))


def test_a_log_without_samples_or_ids_is_refused(tmp_path):
    with pytest.raises(ValueError, match="without samples; run the evaluation without --no-log-samples"):
        read(inspect_log(tmp_path / "log.json", [], results={"total_samples": 3}))
    with pytest.raises(ValueError, match="samples can't be matched: a sample has no id; give every sample of the data"):
        read(inspect_log(tmp_path / "log.json", [], samples=[inspect_sample(None, {"includes": "C"})]))
    twice = [inspect_sample("q", {"includes": "C"}), inspect_sample("q", {"includes": "I"})]
    with pytest.raises(ValueError, match="two samples have the id 'q' in one epoch; give every sample an id of its"):
        read(inspect_log(tmp_path / "log.json", [], samples=twice))


def test_logs_are_told_from_other_files(made, tmp_path):
    assert is_log(made / "inspect/before-once.eval")
    assert is_log(made / "inspect/before-once.json")
    evaluation, zipped = tmp_path / "evaluation.json", tmp_path / "model.zip"
    evaluation.write_text(json.dumps({"answers": [], "asr": {}, "groups": {}}))
    zipped.write_bytes(b"PK\x03\x04 of something else")
    assert not any(map(is_log, (evaluation, zipped, tmp_path, tmp_path / "none.json")))
