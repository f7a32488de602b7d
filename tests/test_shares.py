import pytest

from holdfast.cli import call
from holdfast.evaluate.condition import parse_condition
from holdfast.models.options import GenerateOptions
from holdfast.select.top import TopOptions
from holdfast.shares import share_advice, share_words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 10, "0%"),
        (0, 0, "0%"),
        (10, 10, "100%"),
        (9_999, 10_000, "more than 99.9%"),
        (999, 1000, "99.9%"),
        (1, 10**9, "less than 0.001%"),
        (5, 10**6, "0.001%"),  # 0.0005%, rounded up
        (1, 10_000, "0.010%"),
        (1061683, 106168300, "1.00%"),
        (99_949, 10_000_000, "0.999%"),
        (99_951, 10_000_000, "1.00%"),
        (3_200, 318_400, "1.01%"),
        (176, 1000, "17.6%"),
        (9_996, 100_000, "10.0%"),
    ],
)
def test_a_share_has_three_digits_and_never_hides_what_is_there_or_missing(part, whole, words):
    assert share_words(part, whole) == words


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("5%", "give 0.05 in place of 5%"),
        (" 2.5 % ", "give 0.025 in place of 2.5 %"),
        ("5", None),
        ("x%", None),
        (5, None),
    ],
)
def test_a_percentage_is_answered_with_its_share(given, advice):
    assert share_advice(given) == advice


@pytest.mark.parametrize(
    "arguments",
    [
        ["select", "scores.safetensors", "--fraction", "5%", "--out", "mask.safetensors"],
        ["plan-gate", "--fail-if", "asr > before", "--change", "5%"],
        ["plan-gate", "--fail-if", "refusal < 0.5", "--rate", "5%"],
        ["plan-gate", "--fail-if", "asr > before + 5%"],
        ["compare", "before.json", "after.json", "--fail-if", "asr > 5 %"],
    ],
)
def test_every_share_of_the_command_line_says_what_to_give_in_place_of_a_percentage(arguments, capsys):
    assert call(arguments) == 2
    told = capsys.readouterr().err
    assert "give 0.05 in place of 5" in told
    assert len(told.splitlines()) == 1


def test_a_share_above_1_is_told_how_percent_are_written(capsys):
    assert call(["plan-gate", "--fail-if", "asr > before", "--discordance", "5"]) == 2
    assert capsys.readouterr().err.endswith("give a number below 1; write 5% as 0.05; see --help.\n")
    assert call(["select", "scores", "--fraction", "1", "--out", "mask"]) == 2
    assert capsys.readouterr().err.endswith("give a number below 1; write 1% as 0.01; see --help.\n")
    assert call(["plan-gate", "--fail-if", "asr > before", "--power", "1"]) == 2
    assert capsys.readouterr().err.endswith("give a number below 1; see --help.\n")
    assert call(["reproduce", "report", "--tolerance", "5"]) == 2
    assert capsys.readouterr().err.endswith("Must be < 1. Write 5% as 0.05.\n")


def test_python_and_conditions_say_so_too():
    with pytest.raises(ValueError, match=r"TopOptions: fraction is '5%'; give 0.05 in place of 5%"):
        TopOptions(fraction="5%")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"does not parse: measures are shares, so give 0.05 in place of 5%"):
        parse_condition("refusal < before - 5%")
    with pytest.raises(ValueError, match="max_new_tokens is '5%'; input should be a"):
        GenerateOptions(max_new_tokens="5%")  # pyright: ignore[reportArgumentType]
