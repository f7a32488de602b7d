"""Every shipped config is one that `holdfast run` takes up, on prompt sets that there are."""

import re

import pytest

from holdfast.judge.options import REFUSAL_RULES
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_file import load_config
from holdfast.pipeline.run.units import starting_units
from holdfast.pipeline.shipped import FOLDER, shipped_config, shipped_names
from holdfast.prompts.known import KNOWN

ANSWERED = {name for name, known in KNOWN.items() if "answer" in known.columns}


def read(name):
    return load_config(FOLDER / f"{name}.toml", RunConfig)


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_config_is_valid_and_its_prompt_sets_are_known(name):
    config = read(name)
    suite, refusals = config.suite, config.refusals
    answered = [config.calibration.utility, suite.questions, suite.task, config.task]
    answered += [refusals.refusals, refusals.harmless] if refusals else []
    named = [config.calibration.harmful, *suite.harmful, suite.borderline, suite.harmless, *answered]
    sets = [one.partition("#")[0] for one in named if one]
    assert not set(sets) - set(KNOWN)
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
