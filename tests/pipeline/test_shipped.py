"""Every shipped config is one that `holdfast run` takes up, on prompt sets that there are."""

import re

import pytest

from holdfast.judge.options import REFUSAL_RULES
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_file import load_config
from holdfast.pipeline.run.units import starting_units
from holdfast.pipeline.shipped import FOLDER, shipped_config, shipped_names
from holdfast.prompts.known import KNOWN

GUIDE = FOLDER.parents[2] / "docs" / "how-to" / "strengthen.md"
OWN_FILES = {"refusals.jsonl", "harmless.jsonl", "harmful.txt", "harmless.txt"}
"""Files that the guide to SET has its reader write."""
ANSWERED = {name for name, known in KNOWN.items() if "answer" in known.columns}


def read(name):
    return load_config(FOLDER / f"{name}.toml", RunConfig)


def prompt_sets_of(config):
    """Lists the places of all prompts that a config reads, without their parts."""
    suite, calibration, refusals = config.suite, config.calibration, config.refusals
    named = [calibration.harmful, calibration.utility, config.task, *suite.harmful]
    named += [suite.borderline, suite.harmless, suite.questions, suite.task]
    named += [refusals.refusals, refusals.harmless] if refusals else []
    return {one.partition("#")[0] for one in named if one}


@pytest.mark.parametrize("name", [name for name in shipped_names() if name != "set"])
def test_a_shipped_config_is_valid_and_its_prompt_sets_are_known(name):
    config = read(name)
    suite, refusals = config.suite, config.refusals
    answered = [config.calibration.utility, suite.questions, suite.task, config.task]
    answered += [refusals.refusals, refusals.harmless] if refusals else []
    assert not prompt_sets_of(config) - set(KNOWN)
    assert {one.partition("#")[0] for one in answered if one} <= ANSWERED
    assert {KNOWN[one.partition("#")[0]].kind for one in suite.harmful} == {"harmful"}
    judges = () if config.judge == REFUSAL_RULES else (config.judge,)
    for model in filter(None, (config.model, config.unaligned, *judges)):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", model)


@pytest.mark.parametrize("name", shipped_names())
def test_no_prompt_set_of_a_shipped_config_both_makes_and_judges(name):
    config = read(name)
    learned = [config.refusals.refusals, config.refusals.harmless] if config.refusals else []
    makes = [config.calibration.harmful, config.calibration.utility, *learned]
    makes = {one.partition("#")[0] for one in makes if one}
    judges = {config.suite.borderline, config.suite.questions, config.suite.task, *config.suite.harmful}
    assert not makes & {one.partition("#")[0] for one in judges if one}


def test_those_that_the_project_promises_are_there():
    assert {"qwen2.5-0.5b", "llama-3.1-8b", "qwen3-30b-a3b", "cpu", "lora", "set"} <= set(shipped_names())
    assert len([name for name in shipped_names() if name.startswith("paper-")]) == 4


def test_a_wrong_name_is_told_the_nearest():
    with pytest.raises(ValueError, match=r"'qwen2-0.5b'; did you mean 'qwen2.5-0.5b'\? known: cpu, "):
        shipped_config("qwen2-0.5b")


def test_the_config_for_set_alone_has_no_judge_and_locates_its_one_model_once():
    config = read("set")
    assert (config.judge, config.task, config.verify.ratios) == ("refusal", None, ())
    assert "unaligned" not in shipped_config("set")
    assert (config.unaligned, config.calibration.utility) == (config.model, None)
    places = dict.fromkeys(("aligned", "aligned_start", "unaligned", "unaligned_start"), FOLDER)
    assert [unit.label for unit in starting_units(config, **places)] == ["locate", "evaluate"]
    files = config.calibration.model_copy(update={"harmful": "mine.jsonl"})
    mine = config.model_copy(update={"calibration": files})
    assert mine.is_located_once, "also with files of one's own"


def test_the_config_for_set_reads_only_the_files_that_its_guide_has_the_reader_write():
    assert prompt_sets_of(read("set")) == OWN_FILES
    guide = GUIDE.read_text(encoding="utf-8")
    assert [name for name in OWN_FILES if f"| `{name}` |" not in guide] == []


def test_the_config_for_set_has_the_settings_of_its_guide():
    config, guide = read("set"), GUIDE.read_text(encoding="utf-8")
    (fraction,) = re.findall(r"select scores.safetensors --fraction (\S+)", guide)
    (steps,) = re.findall(r"--iterations (\d+) --batch-size (\d+) --learning-rate (\S+) --out enhanced$", guide, re.M)
    (tokens,) = set(re.findall(r"--generate.max-new-tokens (\d+) (?:\\\n\s+)?--out (?:before|after).json", guide))
    training = config.enhance
    assert (training.iterations, training.batch_size, training.learning_rate) == tuple(map(float, steps))
    assert (config.select.fraction, config.generate.max_new_tokens) == (float(fraction), int(tokens))
    assert (config.enhance_objective, config.score.objective) == ("refusal_likelihood", "refusal_likelihood")
