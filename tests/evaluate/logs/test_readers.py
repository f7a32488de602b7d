import json

import pytest

from holdfast.evaluate.logs.readers import READERS, known_logs, read_log, read_logs, reader_of, refuse_fingerprints
from tests.evaluate.logs.constructed import garak_log, inspect_log, lm_eval_log

EVALUATION = {"answers": [], "asr": {}, "groups": {}}


def test_each_programs_log_is_recognized_by_its_reader_alone(made):
    paths = {
        "inspect": made / "inspect/after-once.json",
        "lm-eval": made / "lm_eval/after",
        "garak": made / "garak/after-1.report.jsonl",
    }
    for program, path in paths.items():
        assert [reader.program for reader in READERS if reader.is_log(path)] == [program]
        assert reader_of(path).program == read_log(path).program == program


def test_two_evaluations_are_left_to_their_own_loader(tmp_path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(EVALUATION))
    assert read_logs(tmp_path / "a.json", tmp_path / "b.json") is None
    assert read_log(tmp_path / "a.json") is None


def test_a_log_beside_an_evaluation_is_refused(tmp_path):
    log, evaluation = inspect_log(tmp_path / "log.json", "CI"), tmp_path / "evaluation.json"
    evaluation.write_text(json.dumps(EVALUATION))
    for paths in ((log, evaluation), (evaluation, log)):
        with pytest.raises(ValueError, match="is an evaluation, and the other path a log of inspect; give two logs of"):
            read_logs(*paths)


def test_other_json_and_folders_are_refused_with_what_is_read(tmp_path):
    strange = tmp_path / "strange.json"
    strange.write_text('{"kites": 3}')
    with pytest.raises(
        ValueError, match=r"is JSON that holdfast did not write .*; give an evaluation that .*, or a log"
    ):
        read_logs(strange, strange)
    with pytest.raises(
        ValueError, match=r"is a folder; give an evaluation .*lm-eval's --log_samples or a report.jsonl"
    ):
        read_logs(tmp_path, tmp_path)
    assert known_logs().startswith("a .eval or .json file of inspect, a folder or file of lm-eval's --log_samples or")


def test_one_log_twice_is_refused(tmp_path):
    first, copy = inspect_log(tmp_path / "a.json", "CI"), tmp_path / "b.json"
    copy.write_bytes(first.read_bytes())
    folder = lm_eval_log(tmp_path / "run", [1.0])
    for paths in ((first, first), (first, copy), (folder, folder)):
        with pytest.raises(ValueError, match="are one log, so nothing could differ; give the logs of two models"):
            read_logs(*paths)


def test_a_damaged_log_is_refused_in_one_sentence(tmp_path):
    log = inspect_log(tmp_path / "a.json", "CI")
    whole = log.read_text()
    log.write_text(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is a log of inspect that was cut off, damaged or written by another version"):
        read_log(log)
    log.write_text(json.dumps({**json.loads(whole), "eval": None}))
    with pytest.raises(ValueError, match=r"cut off, damaged or written by another version \(AttributeError"):
        read_log(log)


def test_a_log_without_numbers_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a log of inspect without any number to compare; score its samples"):
        read_log(inspect_log(tmp_path / "a.json", ["rather good", "bad"]))
    with pytest.raises(ValueError, match="is a log of garak without any number"):
        read_log(garak_log(tmp_path / "a.jsonl", [[None]]))


def test_a_pinned_model_is_refused_for_logs():
    refuse_fingerprints(None, None)
    with pytest.raises(ValueError, match="record no fingerprint of it; leave out --before-fingerprint and"):
        refuse_fingerprints(None, "ab" * 6)
