"""An argument that a command has no place for is named, beside those that the command takes."""

import pytest

from holdfast.cli import call


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["compare", "a", "b", "c", "d"], "compare takes 2 arguments (BEFORE, AFTER), got one more: 'c'"),
        (
            ["compare", "a", "b", "c", "--fail-if", "asr > 0"],
            "compare takes 2 arguments (BEFORE, AFTER), got one more: 'c'",
        ),
        (
            ["patch", "apply", "a", "b", "c", "--out", "d"],
            "patch apply takes 2 arguments (BASE, PATCH), got one more: 'c'",
        ),
        (["sites", "a", "b"], "sites takes one argument (MODEL), got one more: 'b'"),
        (["demo", "x"], "demo takes no arguments, got 'x'"),
    ],
)
def test_an_argument_too_many_is_named(capsys, arguments, sentence):
    assert call(arguments) == 2
    told = capsys.readouterr()
    assert told.err == f"holdfast: {sentence}; see --help.\n"
    assert told.out == ""
