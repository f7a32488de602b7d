"""Names of commands and options that belong elsewhere: the error says where."""

import pytest

from holdfast.cli import call

GATE = "`holdfast compare BEFORE AFTER --fail-if CONDITION` is the gate, and `holdfast plan-gate` says how many prompts"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gate"], GATE),
        (["gate", "--help"], GATE),
        (["-q", "gate", "before.json", "-h"], GATE),
        (["compere", "--help"], "there is no command 'compere'; did you mean 'compare'? `holdfast --help` lists all."),
        (
            ["train", "model"],
            "there is no command 'train'; `holdfast adapt` fine-tunes on a task, and `holdfast enhance`",
        ),
        (["nonsense"], "there is no command 'nonsense'; `holdfast --help` lists all."),
        (["direction", "fnd", "--help"], "there is no command 'fnd'; did you mean 'find'? known: find, test"),
        (["plan-gate", "--fail-if", "asr > 0", "--strict"], "--strict is an option of `holdfast compare`, and not of"),
        (["plan-gate", "--fail-if", "asr > 0", "--junit", "a"], "--junit is an option of `holdfast compare`"),
        (["compare", "a", "b", "--power", "0.9"], "--power is an option of `holdfast plan-gate`"),
        (
            ["evaluate", "a", "--out", "o", "--limit", "8"],
            "write --harmful FILE#first=32 to take the first 32 prompts of a set",
        ),
        (["compare", "a", "b", "--nothing"], "Unknown option: --nothing"),
    ],
)
def test_a_name_of_another_command_is_one_sentence_and_exit_code_2(arguments, sentence, capsys):
    assert call(arguments) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert (told.out, len(told.err.splitlines())) == ("", 1)


@pytest.mark.parametrize(
    ("arguments", "given", "ours"),
    [
        (["score", "a", "--refusals", "b", "--out", "c"], "--refusals", "--prompts"),
        (["enhance", "a", "--prompts", "b", "--out", "c"], "--prompts", "--refusals"),
        (["direction", "find", "a", "--prompts=b"], "--prompts", "--positive"),
        (["score", "a", "--promts", "b", "--out", "c"], "--promts", "--prompts"),
    ],
)
def test_an_option_under_another_name_is_named_in_place_of_the_one_that_is_missing(arguments, given, ours, capsys):
    assert call(arguments) == 2
    assert capsys.readouterr().err == f"holdfast: there is no option {given}; did you mean {ours}? See --help.\n"


def test_help_of_all_and_of_a_command_is_shown(capsys):
    assert call(["--help"]) == call(["compare", "--help"]) == 0
    assert "Usage: holdfast compare" in capsys.readouterr().out
