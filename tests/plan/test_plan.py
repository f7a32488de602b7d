"""`holdfast plan` on configs: what is said, what is refused, how long it takes."""

import json
import shutil
import time

import pytest
import torch
from transformers import LlamaConfig

from holdfast.cli import call
from holdfast.config import Options
from holdfast.models.load import load_outline
from holdfast.pipeline.run.config_template import to_toml
from holdfast.plan.lengths import prompt_lengths
from holdfast.plan.memory import Subject
from holdfast.plan.plan import make_plan
from holdfast.plan.stages import Planned
from holdfast.testbed import model_path
from tests.pipeline.small import located_alone, small_config

GIB = 2**30


def llama_8b(folder, layers: int = 32) -> str:
    """The shapes of Llama 3, 8B, or of its first layers, and nothing else of it."""
    config = LlamaConfig(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=8,
        dtype="bfloat16",
    )
    config.save_pretrained(folder)
    return str(folder)


def write(config: Options, folder) -> str:
    path = folder / "run.toml"
    path.write_text(to_toml(config))
    return str(path)


@pytest.mark.slow
def test_every_stage_of_a_run_has_its_needs(tmp_path):
    plan = make_plan(small_config(tmp_path))
    names = [stage.name for stage in plan.stages]
    assert names[:5] == ["locate", "evaluate aligned", "locate in unaligned", "evaluate unaligned", "verify"]
    assert names[5:] == [
        *(f"enhance {arm}" for arm in ("top", "safety_only", "random", "bottom", "refusals_alone", "full")),
        *(f"adapt {arm}" for arm in ("plain", "protected", "safety_only", "random_protected")),
    ]
    assert all(stage.need.device > 0 and stage.disk > 0 and (plan.seconds(stage) or 0) > 0 for stage in plan.stages)
    assert not plan.advice


def test_a_model_of_8b_is_known_from_its_config_in_seconds(tmp_path):
    name = llama_8b(tmp_path / "8b")
    started = time.process_time()
    place = torch.device("cuda")
    subject = Subject(name, load_outline(name, place), place, fraction=0.01)
    assert subject.entries == 8_030_261_248
    assert subject.loaded == pytest.approx(16.06e9, rel=0.001)
    assert time.process_time() - started < 5


def test_what_will_not_fit_is_said_with_what_would_help(tmp_path):
    name = llama_8b(tmp_path / "8b", layers=8)
    plan = make_plan(located_alone(tmp_path, model=name), memory_gib=8)
    assert plan.device == "cuda"
    assert plan.rate is None
    by_name = {stage.name: stage for stage in plan.stages}
    weights = 2 * 2_795_577_344
    assert weights < by_name["evaluate"].need.device < 8 * GIB
    sums = 4 * 1_744_830_464  # of one half, float32
    assert weights + sums < by_name["locate"].need.device < weights + 1.5 * sums
    (sentence,) = plan.advice
    assert sentence.startswith("locate: ")
    assert "will not fit in 8.0 GiB" in sentence
    assert "score.sums_on_host = true" in sentence


def test_a_setting_that_is_named_saves_what_is_said(tmp_path):
    tight = make_plan(located_alone(tmp_path, "adapt", adapt_arms=("plain",)), memory_gib=0.001)
    sentence = next(one for one in tight.advice if one.startswith("adapt plain"))
    assert "leaving plain out of adapt_arms" in sentence
    assert "(it fits then)" in sentence


def test_json_holds_the_same_and_the_exit_code_is_0(tmp_path, capsys):
    assert call(["plan", write(located_alone(tmp_path), tmp_path), "--json", "--memory", "80", "--flops", "100"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["memory_bytes"] == 80 * GIB
    assert found["total"]["seconds"] > 0
    assert [stage["name"] for stage in found["stages"]] == ["locate", "evaluate"]


def test_what_a_run_makes_once_for_both_models_is_planned_once(tmp_path):
    config = small_config(tmp_path)
    alike = {"unaligned": config.model, "enhance_objective": "judge_gradient"}
    once = config.model_copy(update=alike | {"suite": config.suite.model_copy(update={"task": None})})
    place = torch.device("cpu")
    first, alone = list(Planned(config, place).parts())[:4], list(Planned(once, place).parts())
    assert first == ["locate", "evaluate aligned", "locate in unaligned", "evaluate unaligned"]
    assert alone[:3] == ["locate", "evaluate", "verify"]
    alike = config.model_copy(update=alike)
    assert "evaluate for SET" in Planned(alike, place).parts(), "the start of SPA has the task, that of SET has not"


def test_models_without_weights_are_enough(tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    shutil.copy(model_path("aligned") / "config.json", folder)
    bare = make_plan(located_alone(tmp_path, model=str(folder)))
    assert {stage.name for stage in bare.stages} == {"locate", "evaluate"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "has no config.json"),
        ('{"model_type": "nothing_like_it"}', "could not be read"),
    ],
)
def test_a_model_that_cannot_be_known_is_refused_with_exit_code_2(tmp_path, capsys, content, sentence):
    folder = tmp_path / "broken"
    folder.mkdir()
    if content:
        (folder / "config.json").write_text(content)
    assert call(["plan", write(located_alone(tmp_path, model=str(folder)), tmp_path)]) == 2
    assert sentence in capsys.readouterr().err


def test_a_hub_id_without_a_network_is_refused_in_one_sentence(tmp_path, capsys):
    assert call(["plan", write(located_alone(tmp_path, model="nobody/nothing"), tmp_path)]) == 2
    assert "hub could not be reached" in capsys.readouterr().err


def test_a_public_set_that_is_not_here_is_guessed_and_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("holdfast.plan.lengths.cached_file", lambda known: tmp_path / "nothing")
    config = located_alone(tmp_path)
    config = config.model_copy(update={"suite": config.suite.model_copy(update={"harmful": ("advbench#first=40",)})})
    assert call(["plan", write(config, tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "evaluate *" in shown
    assert "1,000 prompts of 128 tokens" in shown
    for name, rows in (("advbench#first=40", 40), ("advbench#sample=30", 30), ("advbench", 1000)):
        assert len(prompt_lengths(name, None).prompts) == rows


def test_a_prompt_file_that_is_missing_is_refused(tmp_path, capsys):
    config = located_alone(tmp_path)
    config = config.model_copy(update={"suite": config.suite.model_copy(update={"harmful": ("none.jsonl",)})})
    assert call(["plan", write(config, tmp_path)]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_sets_of_set_that_are_swapped_are_refused_as_by_enhance(tmp_path, capsys):
    config = small_config(tmp_path)
    assert config.refusals
    swapped = {"refusals": config.refusals.harmless, "harmless": config.refusals.refusals}
    config = config.model_copy(update={"refusals": config.refusals.model_copy(update=swapped)})
    assert call(["plan", write(config, tmp_path)]) == 2
    assert "were refusals and harmless swapped?" in capsys.readouterr().err
