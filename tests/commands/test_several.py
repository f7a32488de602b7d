"""Options of several values, behind one name and behind many."""

from pathlib import Path
from typing import Annotated

import pytest
from cyclopts import App, Parameter

from holdfast.cli import call
from holdfast.commands.several import repeat_options
from holdfast.config import Options


class Given(Options):
    ratios: tuple[float, ...] = ()
    layers: tuple[int, ...] = ()
    words: str | tuple[str, ...] | None = None


app = App()


@app.command
def measure(
    model: Path,
    *,
    out: str = "",
    given: Annotated[Given, Parameter(name="*")] = Given(),
    flag: bool = False,
) -> tuple[Path, str, Given]:
    return model, out, given


@app.command
def compare(before: str, after: str, *, fail_if: Annotated[tuple[str, ...], Parameter(negative="")] = ()) -> object:
    return before, after, fail_if


@app.command
def merge(*parts: str, out: str) -> object:
    return parts, out


@pytest.mark.parametrize(
    ("line", "read_as"),
    [
        ("measure m --ratios 1 2.5 -3", "measure m --ratios 1 --ratios 2.5 --ratios -3"),
        ("measure m --ratios 1 2 --out o", "measure m --ratios 1 --ratios 2 --out o"),
        ("measure --ratios 1 2 m", "measure --ratios 1 --ratios 2 m"),
        ("measure --ratios 1 m", "measure --ratios 1 m"),
        ("measure --ratios 1 2 --out o m", "measure --ratios 1 --ratios 2 --out o m"),
        ("measure --model m --ratios 1 2", "measure --model m --ratios 1 --ratios 2"),
        ("measure --model=m --ratios 1 2", "measure --model=m --ratios 1 --ratios 2"),
        ("measure m --ratios=1 2 --flag", "measure m --ratios 1 --ratios 2 --flag"),
        ("measure m --words yes sure --empty-ratios", "measure m --words yes --words sure --empty-ratios"),
        ("measure --flag m --ratios 1 2", "measure --flag m --ratios 1 --ratios 2"),
        ("measure m --out o p", "measure m --out o p"),  # one value too many, which cyclopts refuses
        ("measure m --unknown o p", "measure m --unknown o p"),
        ("measure -- m --ratios 1 2", "measure -- m --ratios 1 2"),
        ("compare --fail-if x y before after", "compare --fail-if x --fail-if y before after"),
        ("compare before --fail-if x after", "compare before --fail-if x after"),
        ("merge a b c --out o", "merge a b c --out o"),
        ("nothing --ratios 1 2", "nothing --ratios 1 2"),
    ],
)
def test_the_name_is_put_before_every_value(line, read_as):
    assert " ".join(repeat_options(app, line.split())) == read_as


@pytest.mark.parametrize("line", ["1 2.5", "1,2.5", "1 --ratios 2.5", "1, --ratios=2.5"])
def test_several_values_are_read_in_every_way(line):
    tokens = repeat_options(app, f"measure m --ratios {line}".replace(", ", " ").split())
    assert app(tokens, result_action="return_value", exit_on_error=False)[2].ratios == (1, 2.5)


def test_the_commands_take_them(capsys):
    for command, option in (
        (["verify", "none", "--mask", "none", "--judge", "none"], "--ratios"),
        (["adapt", "none", "--task", "none"], "--freeze"),
    ):
        values = ["1", "2", "nothing"] if option == "--ratios" else ["head", "norm", "nothing"]
        for given in (values, [",".join(values)], [values[0], option, values[1], option, values[2]]):
            assert call([*command, "--out", "x", option, *given]) == 2
            assert f" {option}: got 'nothing', " in capsys.readouterr().err


def test_a_value_too_many_is_still_refused(capsys):
    assert call(["select", "a", "--out", "x", "--fraction", "0.1", "0.2"]) == 2
    assert "0.2" in capsys.readouterr().err
