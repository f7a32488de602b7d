"""Usual abbreviations are understood in commands, options and calls."""

import re

import pytest

from holdfast import (
    EnhanceOptions,
    GenerateOptions,
    LoraOptions,
    SafetyProbe,
    adapt,
    check_hold,
    edit_direction,
    enhance,
)
from holdfast.cli import call
from holdfast.usual_names import usual

OF_EPOCHS = " (steps = epochs x rows / batch size)"


def test_a_usual_name_means_ours_only_where_ours_is_known():
    assert usual("lr", ["lora", "learning_rate"]) == "learning_rate"
    assert usual("--max-tokens", ["--out", "--generate.max-new-tokens"]) == "--generate.max-new-tokens"
    assert usual("lr", ["lora"]) is None
    assert usual("data", ["mask", "task", "exchanges"]) == "exchanges"
    assert usual("--data", ["--mask", "--task"]) == "--task"
    assert usual("other", ["learning_rate"]) is None


def test_options_suggest_ours():
    with pytest.raises(ValueError, match="there is no setting lr; did you mean 'learning_rate'"):
        EnhanceOptions(lr=1e-3)
    with pytest.raises(ValueError, match="there is no setting max_tokens; did you mean 'max_new_tokens'"):
        GenerateOptions(max_tokens=3)
    with pytest.raises(ValueError, match=re.escape(f"did you mean 'iterations'{OF_EPOCHS}? known")):
        EnhanceOptions(num_train_epochs=3)


@pytest.mark.parametrize(
    ("name", "ours"), [("r", "rank"), ("lora_r", "rank"), ("lora_alpha", "alpha"), ("target_modules", "targets")]
)
def test_options_of_lora_suggest_ours_for_the_names_of_peft(name, ours):
    with pytest.raises(ValueError, match=f"there is no setting {name}; did you mean '{ours}'"):
        LoraOptions(**{name: 8})


@pytest.mark.parametrize(
    ("given", "meant"), [(["--lr", "1e-3"], "--learning-rate"), (["--epochs=3"], f"--iterations{OF_EPOCHS}")]
)
def test_a_command_suggests_ours(given, meant, capsys):
    needed = ["--refusals", "testbed:refusals", "--harmless", "testbed:harmless_exchanges", "--out", "never"]
    assert call(["enhance", "testbed:unaligned", *needed, *given]) == 2
    name = given[0].partition("=")[0]
    assert capsys.readouterr().err == f"holdfast: there is no option {name}; did you mean {meant}? See --help.\n"


@pytest.mark.parametrize(
    ("function", "name", "ours"),
    [
        (adapt, "task", "exchanges"),
        (adapt, "dataset", "exchanges"),
        (adapt, "model", "loaded"),
        (adapt, "refusals", "safety"),
        (enhance, "benign", "harmless"),
        (check_hold, "reference", "base"),
        (SafetyProbe, "eval_steps", "every"),
        (edit_direction, "output_dir", "out"),
    ],
)
def test_a_function_suggests_ours_for_a_guessed_name(function, name, ours):
    with pytest.raises(ValueError, match=rf"^{function.__name__} takes no '{name}'; did you mean '{ours}'\? known: "):
        function(**{name: 1})


@pytest.mark.parametrize("name", ["lr", "learning_rate"])
def test_a_function_says_whose_setting_a_name_is(name):
    with pytest.raises(ValueError, match="takes no") as told:
        enhance("testbed:unaligned", **{name: 1e-3})
    assert str(told.value) == (
        f"enhance takes no {name!r}: it is a setting of EnhanceOptions; write "
        "options=EnhanceOptions(learning_rate=...)."
    )
