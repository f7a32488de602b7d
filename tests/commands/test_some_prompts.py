"""A command that measures asks for prompts before anything is loaded."""

import pytest

from holdfast.cli import call


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (["evaluate", "none", "--out", "none.json"], "--questions or --task"),
        (["verify", "none", "--mask", "none", "--out", "none"], "--questions, --refusals or --task"),
    ],
)
def test_the_options_that_take_prompts_are_named(command, options, capsys):
    assert call(command) == 2
    said = f"holdfast: there are no prompts to measure on; give --harmful, --harmless, --borderline, {options}.\n"
    assert capsys.readouterr().err == said
