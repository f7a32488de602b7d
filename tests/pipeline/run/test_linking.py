"""Results that are needed twice are made once."""

from pathlib import Path

from holdfast.pipeline.options import ScoreFiles
from holdfast.pipeline.run import linking
from holdfast.pipeline.run.units import starting_units
from tests.pipeline.small import small_config


def labels(config):
    places = {name: Path(name) for name in ("aligned", "aligned_start", "unaligned", "unaligned_start")}
    return [unit.label for unit in starting_units(config, **places)]


def test_a_folder_is_linked_or_copied_and_what_is_there_stays(tmp_path, monkeypatch):
    (tmp_path / "a/masks").mkdir(parents=True)
    (tmp_path / "a/masks/top").write_text("made")
    linking.link_folder(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b/masks/top").samefile(tmp_path / "a/masks/top")

    def refuse(*_):
        raise OSError("no links on this disk")

    monkeypatch.setattr(linking.os, "link", refuse)
    linking.link_folder(tmp_path / "a", tmp_path / "c")
    assert (tmp_path / "c/masks/top").read_text() == "made"
    (tmp_path / "c/masks/top").write_text("other")
    linking.link_folder(tmp_path / "a", tmp_path / "c")
    assert (tmp_path / "c/masks/top").read_text() == "other"


def test_one_model_that_is_scored_and_asked_alike_is_located_and_evaluated_once(tmp_path):
    config = small_config(tmp_path)
    assert labels(config) == ["locate", "evaluate aligned", "locate in unaligned", "evaluate unaligned"]
    same = config.model_copy(update={"unaligned": config.model, "enhance_objective": "judge_gradient"})
    assert labels(same) == ["locate", "evaluate", "evaluate for SET"], "the task is asked of one of them alone"
    without = same.model_copy(update={"suite": config.suite.model_copy(update={"task": None})})
    assert labels(without) == ["locate", "evaluate"]
    other = without.model_copy(update={"enhance_objective": "refusal_likelihood"})
    assert labels(other) == ["locate", "evaluate", "locate for SET"]


def test_the_same_file_under_another_name_is_not_scored_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = small_config(Path())
    changes = {"unaligned": config.model, "score": config.score.model_copy(update={"objective": "refusal_likelihood"})}
    one, here = (ScoreFiles(harmful=name) for name in ("refusals.jsonl", "./refusals.jsonl"))
    assert [config.model_copy(update={**changes, "calibration": files}).is_located_once for files in (one, here)] == [
        True,
        True,
    ]
    assert not config.model_copy(update=changes).is_located_once, "other prompts make other scores"


def test_a_model_that_set_alone_tunes_is_scored_once_by_the_objective_of_set(tmp_path):
    config = small_config(tmp_path, task=None)
    suite = config.suite.model_copy(update={"task": None})
    alone = config.model_copy(
        update={"unaligned": config.model, "suite": suite, "verify": config.verify.model_copy(update={"ratios": ()})}
    )
    assert alone.calibration.harmful != alone.refusals.refusals
    places = {name: Path(name) for name in ("aligned", "aligned_start", "unaligned", "unaligned_start")}
    locating, evaluating = starting_units(alone, **places)
    assert (locating.label, evaluating.label) == ("locate", "evaluate")
    assert locating.arguments["objective"] == "refusal_likelihood"
    assert locating.arguments["copies"] == (Path("unaligned"),)
    noisy = alone.model_copy(update={"verify": config.verify})
    assert labels(noisy) == ["locate", "evaluate", "locate for SET"], "noise disturbs what `score` selects"
