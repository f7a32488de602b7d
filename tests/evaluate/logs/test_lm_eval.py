import json

import pytest

from holdfast.evaluate.logs.comparing import summarize
from holdfast.evaluate.logs.lm_eval import is_log, read
from tests.evaluate.logs.constructed import lm_eval_log, lm_eval_row


@pytest.mark.parametrize("model", ["before", "after"])
def test_every_measure_has_the_value_that_lm_eval_reports(made, model):
    folder = made / "lm_eval" / model
    (results,) = folder.glob("results_*.json")
    by_task = json.loads(results.read_text())["results"]
    reported = {
        "acc": by_task["choose"]["acc,none"],
        "acc_norm": by_task["choose"]["acc_norm,none"],
        "exact_match,loose": by_task["say"]["exact_match,loose"],
        "exact_match,strict": by_task["say"]["exact_match,strict"],
    }
    log = read(folder)
    assert {name: rate.value for name, rate in summarize(log).items()} == pytest.approx(reported)
    assert (log.model, log.version, log.groups) == (model, "0.4.13", ("choose", "say"))
    assert read(results).samples == log.samples


def test_one_samples_file_is_its_task_alone(made):
    (file,) = (made / "lm_eval/before").glob("samples_choose_*.jsonl")
    log = read(file)
    assert (log.groups, log.measures, len(log.samples)) == (("choose",), ("acc", "acc_norm"), 12)


def test_the_folder_of_output_path_holds_the_folder_of_the_model(made, tmp_path):
    folder = lm_eval_log(tmp_path / "out" / "model", [1.0, 0.0])
    assert is_log(tmp_path / "out")
    assert read(tmp_path / "out").samples == read(folder).samples


def test_a_metric_of_several_tasks_has_a_group_for_each(tmp_path):
    lm_eval_log(tmp_path / "run", [1.0, 1.0, 0.0], task="birds", **{"n-samples": {}})
    lm_eval_log(tmp_path / "run", [0.0], task="fish", **{"n-samples": {}})
    found = summarize(read(tmp_path / "run"))
    values = {name: (rate.value, rate.n) for name, rate in found.items()}
    assert values == {"acc": (0.5, 4), "acc/birds": (pytest.approx(2 / 3), 3), "acc/fish": (0, 1)}


def test_values_that_are_no_numbers_are_no_measure(tmp_path):
    rows = [lm_eval_row(0, {"word_perplexity": [-3.2, 7], "acc": True, "bleu": None})]
    (sample,) = read(lm_eval_log(tmp_path / "run", [], rows=rows)).samples
    assert sample.numbers == {"acc": 1.0, "bleu": None}


def test_a_version_that_does_not_list_its_metrics_is_read(tmp_path):
    row = lm_eval_row(0, {"acc": 1.0})
    del row["metrics"]
    (sample,) = read(lm_eval_log(tmp_path / "run", [], rows=[row])).samples
    assert sample.numbers == {"acc": 1.0}


def test_a_run_that_was_cut_off_is_refused(tmp_path):
    folder = lm_eval_log(tmp_path / "run", [1.0, 0.0], **{"n-samples": {"choose": {"effective": 3}}})
    with pytest.raises(ValueError, match="was cut off: task 'choose' has 2 of 3 samples; let the evaluation finish"):
        read(folder)
    missing = {"n-samples": {"choose": {"effective": 2}, "say": {"effective": 2}}}
    with pytest.raises(ValueError, match="was cut off: task 'say' has 0 of 2 samples"):
        read(lm_eval_log(folder, [1.0, 0.0], **missing))
    (samples,) = folder.glob("samples_*.jsonl")
    samples.write_text(samples.read_text()[:-20])
    with pytest.raises(ValueError, match="was cut off: line 2 is no whole JSON object"):
        read(folder)


def test_results_without_samples_are_refused(tmp_path):
    folder = lm_eval_log(tmp_path / "run", [1.0])
    next(folder.glob("samples_*")).unlink()
    assert is_log(folder)
    with pytest.raises(ValueError, match="holds results of lm-eval without samples; evaluate again with --log_samples"):
        read(folder)


def test_several_runs_in_one_folder_are_refused(tmp_path):
    lm_eval_log(tmp_path / "run", [1.0])
    folder = lm_eval_log(tmp_path / "run", [0.0], date="2026-12-01T10-00-00.000000")
    with pytest.raises(ValueError, match=r"holds 2 runs of lm-eval \(2026-11-30T.*\); give the results file of one"):
        read(folder)
    assert read(folder / "results_2026-12-01T10-00-00.000000.json").samples[0].numbers == {"acc": 0}


def test_samples_without_ids_or_with_one_id_are_refused(tmp_path):
    with pytest.raises(ValueError, match="can't be matched: a sample has no doc_id; evaluate again with a newer"):
        read(lm_eval_log(tmp_path / "a", [], rows=[{"acc": 1.0}]))
    rows = [lm_eval_row(0, {"acc": 1.0}), lm_eval_row(0, {"acc": 0.0})]
    with pytest.raises(ValueError, match="two samples have the doc_id 0; give a file of one run"):
        read(lm_eval_log(tmp_path / "b", [], rows=rows))


def test_other_folders_and_files_are_no_run(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "how ?"}\n')
    assert not any(map(is_log, (tmp_path, tmp_path / "manifest.json", tmp_path / "prompts.jsonl")))


def test_generated_text_is_the_response_and_likelihoods_are_none(made):
    responses = {one.label: one.response for one in read(made / "lm_eval/before").samples}
    assert responses["say 0 What colour is a clear sky at noon?"] == "Surely blue"
    assert responses["choose 0 What colour is a clear sky at noon?"] == ""
