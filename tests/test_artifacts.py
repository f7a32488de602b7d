"""Files that are not as they were written are told of in one sentence."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from holdfast.artifacts import (
    ScoresFile,
    load_evaluation,
    load_mask,
    load_patch,
    load_scores,
    save_evaluation,
)
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate
from holdfast.values import Scores

LOAD = {"mask": load_mask, "scores": load_scores, "patch": load_patch}


@pytest.mark.parametrize("kind", LOAD)
def test_a_file_without_its_header_or_a_part_of_it_is_refused(tmp_path, kind):
    path, tensors = tmp_path / "file.safetensors", {"a:index": torch.zeros(1)}
    save_file(tensors, path, {"holdfast": kind})
    with pytest.raises(ValueError, match=f"{kind} file .* lacks 'header'; remove it and run `holdfast"):
        LOAD[kind](path)
    save_file(tensors, path, {"holdfast": kind, "header": "{}"})
    with pytest.raises(ValueError, match=f"{kind} file .* lacks '(shapes|unit)'; remove it and run `holdfast"):
        LOAD[kind](path)
    save_file(tensors, path, {"holdfast": kind, "header": "[]"})
    with pytest.raises(ValueError, match="is not as holdfast writes it"):
        LOAD[kind](path)


WHOLE = {"answers": [], "asr": {}, "groups": {}}


@pytest.mark.parametrize(
    ("content", "message"), [(WHOLE, "lacks 'over_refusal'|not as"), (WHOLE | {"answers": 3}, "not as")]
)
def test_an_evaluation_that_lacks_a_part_is_refused(tmp_path, content, message):
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        load_evaluation(path)


def test_a_group_of_an_older_evaluation_has_the_name_of_today(tmp_path):
    path, rate = tmp_path / "evaluation.json", Rate(0.5, 0.1, 0.9, 2)
    save_evaluation(path, Evaluation(rate, rate, rate, None, groups={"borderline": rate, "asr/seen": rate}))
    as_today = path.read_text()
    path.write_text(as_today.replace('"borderline"', '"over_refusal/borderline"'))
    found = load_evaluation(path)
    assert set(found.groups) == {"borderline", "asr/seen"}
    assert found.borderline == rate
    save_evaluation(path, found)
    assert path.read_text() == as_today


def test_an_answer_keeps_whether_it_refuses_and_one_of_older_files_does_not_say(tmp_path):
    path, rate = tmp_path / "evaluation.json", Rate(0.5, 0.1, 0.9, 2)
    answers = (
        Answer("a", "sure", Outcome("safe", 0.5), "asr", refusal=Outcome("complied")),
        Answer("b", "", Outcome("safe"), "asr"),
    )
    save_evaluation(path, Evaluation(rate, rate, rate, None, answers=answers))
    assert load_evaluation(path).answers == answers
    written = json.loads(path.read_text())
    for answer in written["answers"]:
        del answer["refusal"]
    path.write_text(json.dumps(written))
    assert [answer.refusal for answer in load_evaluation(path).answers] == [None, None]


def test_scores_that_are_written_one_by_one_are_loaded_as_those_that_are_saved_at_once(tmp_path):
    entries = {"b": torch.rand(3, 2), "a": torch.rand(2, 2, 2)}
    scores = Scores(entries, "unit", "base", 20, {"method": "esi", "idle_experts": 12})
    empty = {name: tensor.to("meta") for name, tensor in entries.items()}
    outline = Scores(empty, "unit", "base", 20, {"method": "esi"})
    ScoresFile(tmp_path / "scores.safetensors", outline).write("b", entries["b"])
    again = ScoresFile(tmp_path / "scores.safetensors", outline)  # goes on: b is there
    again.write("a", entries["a"])
    again.finish(replace(outline, made_by=scores.made_by))
    found = load_scores(tmp_path / "scores.safetensors")
    assert all(torch.equal(found.entries[name], tensor) for name, tensor in entries.items())
    assert (found.unit, found.base, found.num_parameters, found.made_by) == ("unit", "base", 20, scores.made_by)
