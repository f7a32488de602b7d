import json

import pytest

from holdfast.evaluate.logs.readers import READERS, known_logs, read_log, read_logs, reader_of, refuse_fingerprints
from tests.evaluate.logs.constructed import garak_log, inspect_log, inspect_sample, lm_eval_log
from tests.evaluate.logs.programs.making import EXAMPLES, example_logs

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


def test_the_example_logs_are_those_that_the_programs_made():
    files = [path for path in EXAMPLES.rglob("*") if path.is_file() and path.name != "README.md"]
    assert {path.relative_to(EXAMPLES).as_posix(): path.read_bytes() for path in files} == example_logs()


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
    with pytest.raises(ValueError, match="is a log of inspect that was cut off or damaged at line 1; copy it again"):
        read_log(log)
    log.write_text(json.dumps({**json.loads(whole), "eval": None}))
    with pytest.raises(ValueError, match="is a log of inspect in which eval is missing, and should be an object; give"):
        read_log(log)


def test_a_run_in_two_forms_is_one_log(tmp_path):
    folder = lm_eval_log(tmp_path / "run", [1.0, 0.0])
    (samples,) = folder.glob("samples_*.jsonl")
    (results,) = folder.glob("results_*.json")
    for paths in ((folder, samples), (samples, results)):
        with pytest.raises(ValueError, match="are one log, so nothing could differ"):
            read_logs(*paths)
    logs = [inspect_log(tmp_path / name, "CI") for name in ("a.json", "b.json")]
    assert read_logs(*logs), "logs without an identity may have equal samples"
    for log in logs:
        content = json.loads(log.read_text())
        log.write_text(json.dumps(content | {"eval": content["eval"] | {"eval_id": "one"}}))
    with pytest.raises(ValueError, match="are one log"):
        read_logs(*logs)


def test_two_models_with_equal_samples_are_two_logs_of_lm_eval(tmp_path):
    logs = [lm_eval_log(tmp_path / name, [1.0, 0.0]) for name in ("first-model", "second-model")]
    assert [log.model for log in read_logs(*logs)] == ["first-model", "second-model"]
    copies = [lm_eval_log(tmp_path / name, [1.0, 0.0], model_name="one") for name in ("a", "b")]
    with pytest.raises(ValueError, match="are one log"):
        read_logs(*copies)


SAMPLE = inspect_sample("q", {"a": "C"})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"epoch": "one"},
            r"samples\[1\].epoch is 'one', and should be a whole number; give a log as inspect",
        ),
        ({"scores": ["C"]}, r"samples\[1\].scores is \['C'\], and should be an object"),
        ({"scores": {"a": "C"}}, r"samples\[1\].scores.a is 'C', and should be an object"),
        ({"input": ["hello"]}, r"samples\[1\].input\[0\] is 'hello', and should be an object"),
        ({"output": "Paris"}, r"samples\[1\].output is 'Paris', and should be an object"),
    ],
)
def test_a_wrong_part_of_inspect_is_named_with_file_and_place(tmp_path, changes, sentence):
    log = inspect_log(tmp_path / "a.json", [], samples=[inspect_sample("p", {"a": "C"}), SAMPLE | changes])
    with pytest.raises(ValueError, match=rf"a\.json' is a log of inspect .*{sentence}"):
        read_log(log)


def test_a_wrong_part_of_the_other_programs_is_named_with_its_line(tmp_path):
    run = lm_eval_log(tmp_path / "run", [1.0, 0.0])
    (samples,) = run.glob("samples_*.jsonl")
    samples.write_text(samples.read_text().replace('"metrics": ["acc"]', '"metrics": [3]', 1))
    with pytest.raises(ValueError, match=r"in which line 1.metrics\[0\] is 3, and should be a text"):
        read_log(samples)
    samples.write_text("")
    with pytest.raises(ValueError, match=r"samples_choose_.*jsonl' is empty; let lm-eval finish"):
        read_log(samples)
    report = garak_log(tmp_path / "a.jsonl", [[0.0]])
    whole = report.read_text()
    hits = '"detector_results": {"refusal.None": %s}'
    for was, now, said in (
        ('"passed": 1', '"passed": "1"', "passed is '1', and should be a whole number"),
        (hits % "[0.0]", hits % "0", "refusal.None is 0, and should be a list"),
    ):
        assert was in whole
        report.write_text(whole.replace(was, now))
        with pytest.raises(ValueError, match=said):
            read_log(report)


def test_a_log_without_numbers_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a log of inspect without any number to compare; score its samples"):
        read_log(inspect_log(tmp_path / "a.json", ["rather good", "bad"]))
    with pytest.raises(ValueError, match="is a log of garak without any number"):
        read_log(garak_log(tmp_path / "a.jsonl", [[None]]))


def test_a_pinned_model_is_refused_for_logs():
    refuse_fingerprints(None, None)
    with pytest.raises(ValueError, match="record no fingerprint of it; leave both fingerprints out"):
        refuse_fingerprints(None, "ab" * 6)
