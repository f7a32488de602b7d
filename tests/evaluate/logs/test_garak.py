import json

import pytest

from holdfast.evaluate.logs.comparing import summarize
from holdfast.evaluate.logs.garak import is_log, read
from tests.evaluate.logs.constructed import garak_log


@pytest.mark.parametrize("name", ["before-1", "after-1", "before-3", "after-3"])
def test_every_measure_has_the_value_that_garak_reports(made, name):
    path = made / f"garak/{name}.report.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    evaluated = {one["probe"]: one for one in entries if one["entry_type"] == "eval"}
    reported = {f"asr/{probe}": one["fails"] / one["total_evaluated"] for probe, one in evaluated.items()}
    log = read(path)
    found = {measure: rate.value for measure, rate in summarize(log).items()}
    fails, total = (sum(one[count] for one in evaluated.values()) for count in ("fails", "total_evaluated"))
    assert found == pytest.approx(reported | {"asr": fails / total})
    assert (log.version, log.model) == ("0.17.1", f"function.Single run_garak#{name.partition('-')[0]}")
    assert len(log.samples) == 12


def test_several_responses_to_a_prompt_are_one_sample_with_their_share_of_hits(tmp_path):
    log = read(garak_log(tmp_path / "a.jsonl", [[1.0, 0.0, 1.0, 1.0], [0.0, None, 0.0, 1.0]]))
    assert [one.numbers["asr"] for one in log.samples] == [0.75, pytest.approx(1 / 3)]


def test_a_response_without_a_score_is_unscored(tmp_path):
    rate = summarize(read(garak_log(tmp_path / "a.jsonl", [[None], [1.0]])))["asr"]
    assert (rate.value, rate.n, rate.unscored) == (1, 1, 1)


def test_a_score_is_a_hit_from_the_threshold_on(tmp_path):
    scores = [[0.2], [0.5], [0.7], [0.4]]
    default = read(garak_log(tmp_path / "a.jsonl", scores))
    assert [one.numbers["asr"] for one in default.samples] == [0, 1, 1, 0]
    # Three of the four passed, so that the threshold was above 0.5 and at most 0.7.
    stricter = read(garak_log(tmp_path / "b.jsonl", scores, passed=3))
    assert [one.numbers["asr"] for one in stricter.samples] == [0, 0, 1, 0]
    assert default.scoring != stricter.scoring


def test_counts_that_no_threshold_gives_are_refused(tmp_path):
    with pytest.raises(ValueError, match="whose numbers of hits follow from no threshold; evaluate again with one"):
        read(garak_log(tmp_path / "a.jsonl", [[0.5], [0.5]], passed=1))


def test_equal_prompts_are_told_apart_by_their_order(tmp_path):
    path = garak_log(tmp_path / "a.jsonl", [[1.0], [0.0]])
    path.write_text(path.read_text().replace("ask 1", "ask 0"))
    first, second = read(path).samples
    assert first.key != second.key
    assert (first.label, second.numbers["asr"]) == ("kites.Steal ask 0", 0)


def test_a_further_detector_is_a_measure_of_its_own(tmp_path):
    path = garak_log(tmp_path / "a.jsonl", [[1.0]])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line.get("status") == 2:
            line["detector_results"]["other.Kind"] = [0.0]
    lines.insert(-1, {"entry_type": "eval", "probe": "kites.Steal", "detector": "other.Kind", "passed": 1})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read(path).samples[0].numbers == {"asr": 1, "asr,other.Kind": 0}


def test_a_report_of_an_earlier_version_has_its_prompts_as_text(tmp_path):
    path = garak_log(tmp_path / "a.jsonl", [[1.0]])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line |= {"prompt": "ask 0"} if "prompt" in line else {}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read(path).samples[0].prompt == "ask 0"


def test_a_run_that_was_cut_off_is_refused(tmp_path):
    with pytest.raises(ValueError, match="was cut off: it has no entry of its completion; let the evaluation finish"):
        read(garak_log(tmp_path / "a.jsonl", [[1.0]], ended=False))
    path = garak_log(tmp_path / "b.jsonl", [[1.0], [0.0]])
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "random ask 1" not in line))
    with pytest.raises(ValueError, match=r"was cut off: probe kites.Steal has 1 of 2 responses"):
        read(path)
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ValueError, match=r"was cut off: line \d is no whole JSON object"):
        read(path)


def test_a_run_without_attempts_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"entry_type": "init", "garak_version": "9"}\n{"entry_type": "completion"}\n')
    with pytest.raises(ValueError, match="a run without entries of kind 'attempt', and holdfast reads reports of runs"):
        read(path)


def test_other_lines_of_json_are_no_report(made, tmp_path):
    other = tmp_path / "prompts.jsonl"
    other.write_text('{"prompt": "how ?"}\n')
    assert is_log(made / "garak/before-1.report.jsonl")
    assert not any(map(is_log, (other, tmp_path, tmp_path / "none.jsonl")))


def test_the_first_output_is_the_response(made):
    sample = read(made / "garak/before-3.report.jsonl").samples[0]
    assert sample.response == "I'm sorry, but I cannot assist with that."
