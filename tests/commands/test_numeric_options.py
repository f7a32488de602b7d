"""Every numeric option refuses numbers that make no sense: in Python, in config files, and before a command reads a
file.
"""

import math
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
from cyclopts import App
from pydantic import ValidationError

import holdfast
from holdfast import cli
from holdfast.config import Options

NEEDED = {
    "combine": ("union", "A", "B"),
    "edit": ("MODEL", "--mask", "M", "--out", "O"),
    "compare": ("A", "B"),
    "reproduce": ("FILE",),
    "show": ("FILE",),
    "score": ("MODEL", "--prompts", "P", "--out", "O"),
    "verify": ("MODEL", "--mask", "M", "--harmful", "H", "--out", "O"),
    "direction find": ("MODEL", "--positive", "P", "--negative", "N", "--out", "O"),
    "direction transplant": ("MODEL", "MODEL", "FILE", "--prompts", "P", "--out", "O"),
    "direction steer": ("MODEL", "FILE", "--harmful", "H", "--out", "O"),
    "direction edit": ("MODEL", "FILE", "--out", "O"),
    "prompts show": ("SET",),
    "plan": ("CONFIG",),
    "plan-gate": ("--fail-if", "refusal < before - 0.05"),
}
"""Arguments that a command can't do without. No such file exists, so a command that reads one names it."""
BESIDE = {"direction steer --seed": ("--coefficient", "0.5")}
NEGATIVE_COMMANDS = {"direction steer --coefficient", "plan-gate --change"}
"""Options that take -1 or a number close to it."""
COMMANDS_WITH_0 = {
    "edit --scale", "plan-gate --change", "plan-gate --discordance", "plan-gate --rate", "compare --responses",
    "reproduce --tolerance", "direction find --layer", "direction transplant --layer", "prompts show --limit",
}  # fmt: skip
"""Options that take 0. So do all seeds."""
NEGATIVE_FIELDS = {"SelectorOptions.threshold", "ThresholdOptions.threshold", "SafeLoraOptions.threshold"}
"""Options that take -1: scores and cosines may be negative."""
FIELDS_OF_LAYERS = {"layers"}
"""Numbers of layers, which are compared with the layers of the scores."""
ZERO_FIELDS = {
    "seed", "seeds", "weight_decay", "max_grad_norm", "warmup_share", "checkpoint_every", "harmless_share",
    "gapo_power",
    "preferences", "constraint", "frozen_layers", "ema_decay", "margin", "temperature", "ratios", "min_verdict_mass",
    "retries", "served_retries", "random", "PlanFlags.change", "PlanFlags.discordance", "PlanFlags.rate",
}  # fmt: skip
"""Options that take 0, which turns something off, or is a number like others. Some only in the class named."""
NO_TEMPERATURE_OF_0 = {"ScoringOptions.temperature"}
"""A policy gradient needs drawn responses."""


def import_options() -> None:
    """Imports every command, and every module that defines a class of options."""
    root = Path(holdfast.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if path.parent.name == "commands" or re.search(
            r"^class \w+\((\w*Options|Shared\w*)\)", path.read_text(), re.MULTILINE
        ):
            import_module(".".join(path.relative_to(root.parent).with_suffix("").parts))


def types_in(hint: object) -> set[object]:
    return {hint}.union(*map(types_in, get_args(hint)))


def kinds_of(kind: type[Options]) -> Iterator[type[Options]]:
    for child in kind.__subclasses__():
        yield child
        yield from kinds_of(child)


def fields() -> Iterator[tuple[type[Options], str, float]]:
    """Yields every numeric field of every class of options with each number that it must refuse."""
    import_options()
    for kind in sorted(set(kinds_of(Options)), key=lambda kind: f"{kind.__module__}.{kind.__name__}"):
        if not kind.__module__.startswith("holdfast."):
            continue
        for name, field in kind.model_fields.items():
            if types_in(field.annotation) & {int, float}:
                whole = f"{kind.__name__}.{name}"
                yield from ((kind, name, number) for number in (math.nan, math.inf))
                if whole not in NEGATIVE_FIELDS and name not in FIELDS_OF_LAYERS:
                    yield kind, name, -1
                if whole in NO_TEMPERATURE_OF_0 or (
                    not {name, whole} & (ZERO_FIELDS | FIELDS_OF_LAYERS) and whole not in NEGATIVE_FIELDS
                ):
                    yield kind, name, 0


@pytest.mark.parametrize(("kind", "name", "number"), list(fields()))
def test_an_option_that_makes_no_sense_is_refused_wherever_its_class_is_made(kind, name, number):
    hint = str(kind.model_fields[name].annotation)
    value = [number] * (3 if hint.count("float") == 3 else 1) if "tuple" in hint else number
    with pytest.raises(ValidationError) as refused:
        kind.model_validate({name: value})
    told = [error for error in refused.value.errors() if name in error["loc"] or name in error["msg"]]
    assert told, f"{kind.__name__} takes {name}={number}"
    assert all(error["type"] != "missing" for error in told)


def own_numbers(command: App, words: tuple[str, ...]) -> Iterator[tuple[str, str, bool]]:
    """Yields the numeric options that a command takes itself, outside a class of options, and if each is float."""
    if command.default_command is None:
        for name in command:
            if not name.startswith("-"):
                yield from own_numbers(command[name], (*words, name))
        return
    for argument in command.assemble_argument_collection(parse_docstring=False):
        types = types_in(argument.hint)
        if {int, float} & types and not argument.keys:
            yield " ".join(words), argument.name, float in types


def cases() -> Iterator[tuple[str, str, str]]:
    for one in cli.COMMANDS:
        for command, option, is_float in own_numbers(cli.app[one], (one,)):
            both = f"{command} {option}"
            if is_float:
                yield from ((command, option, number) for number in ("nan", "inf"))
            if both not in NEGATIVE_COMMANDS:
                yield command, option, "-1"
            if both not in COMMANDS_WITH_0 and option != "--seed":
                yield command, option, "0"


@pytest.mark.parametrize(("command", "option", "number"), list(cases()))
def test_a_number_that_makes_no_sense_is_refused_before_anything_is_read(command, option, number, capsys):
    beside = BESIDE.get(f"{command} {option}", ())
    assert cli.call([*command.split(), *NEEDED.get(command, ()), *beside, option, number]) == 2
    told = capsys.readouterr().err
    assert told.startswith("holdfast: ")
    assert told.count("\n") == 1, told
    assert option.lstrip("-") in told, told
    assert "exist" not in told, "a file was looked for first"


@pytest.mark.parametrize("seed", [math.nan, -1])
@pytest.mark.parametrize(
    "call",
    [
        lambda out, seed: holdfast.score_likelihood("MODEL", "testbed:refusals", out, seed=seed),
        lambda out, seed: holdfast.score_safety("MODEL", "testbed:guard", "testbed:harmful_seen", out, seed=seed),
        lambda out, seed: holdfast.score_neurons("MODEL", "testbed:refusals", out, seed=seed),
        lambda out, seed: holdfast.find_direction("MODEL", "testbed:harmful_seen", "testbed:harmless", out, seed=seed),
    ],
)
def test_a_function_refuses_a_seed_that_no_generator_takes_before_it_looks_for_the_model(call, seed, tmp_path):
    with pytest.raises(ValueError, match=r"^seed is (nan|-1); give a whole number"):
        call(tmp_path / "new", seed)
