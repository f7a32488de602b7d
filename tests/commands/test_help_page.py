"""What `--help` shows: few lines, in groups, every option by --help-all, defaults and choices in words."""

import re
import shlex
from functools import cache
from typing import get_args

import pytest
from cyclopts import Group
from rich.console import Console

from holdfast.cli import COMMANDS, GROUPS, app, call
from holdfast.option_groups import NEEDED, RARE, RARE_NAMES
from holdfast.pipeline.options import ScoringOptions
from holdfast.score import SCORES
from holdfast.select import SELECTORS
from tests.help_examples import examples

pytestmark = pytest.mark.xdist_group("help")
MOST_LINES = 60
WIDTH = 100
PANEL = re.compile(r"^╭─ (.+?) ─+╮$", re.MULTILINE)
WORDS = dict(examples())
"""Every command, and those of groups of commands, with its example."""
SHOWN: dict[tuple[str, str, int], str] = {}
"""Pages by words, flag and width."""


@pytest.fixture
def shown(monkeypatch, capsys):
    """The help of a command at 100 columns, made once for all tests."""

    def of(words, flag="--help", width=WIDTH):
        if (words, flag, width) not in SHOWN:
            # A console that another test made would keep the width of its terminal.
            monkeypatch.setattr(app, "console", Console(width=width))
            assert call([*words.split(), flag]) == 0
            SHOWN[words, flag, width] = capsys.readouterr().out
        return SHOWN[words, flag, width]

    return of


@cache
def arguments(words):
    command = app
    for word in words.split():
        command = command[word]
    return [one for one in command.assemble_argument_collection() if one.parse and one.show]


def group_of(argument):
    (group,) = argument.parameter.group
    assert isinstance(group, Group)
    return group


def test_the_page_is_short(shown):
    lines = {words: len(shown(words).splitlines()) for words in ("", *COMMANDS, *WORDS)}
    assert {words: count for words, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("words", WORDS)
def test_every_option_is_in_a_named_group_and_the_required_ones_come_first(words, shown):
    pages = {flag: PANEL.findall(shown(words, flag)) for flag in ("--help", "--help-all")}
    assert not {"Parameters", "Arguments"} & set(pages["--help-all"])
    assert not set(RARE_NAMES) & set(pages["--help"])
    required = [one for one in arguments(words) if one.required]
    assert [one.name for one in required if group_of(one) != NEEDED] == []
    assert not required or pages["--help"][0] == NEEDED.name


@pytest.mark.parametrize("words", WORDS)
def test_what_is_left_out_is_mentioned_and_shown_by_help_all(words, shown):
    basic, whole = shown(words), shown(words, "--help-all")
    hidden = [one for one in arguments(words) if group_of(one) in RARE]
    assert (f"holdfast {words} --help-all" in basic) == bool(hidden)
    assert "--help-all" not in whole
    for one in hidden:
        assert group_of(one).name in " ".join(basic.split()), one.name
        assert not re.search(rf"{one.name}\b(?!-)", basic), one.name
    unlisted = [one.name for one in arguments(words) if one.index is None and f"{one.name} " not in whole]
    assert [name for name in unlisted if not re.search(rf"{name}(\s|$)", whole, re.MULTILINE)] == []


@pytest.mark.parametrize("words", ["", "patch", "prompts", *WORDS])
def test_every_page_says_the_exit_codes_once(words, shown):
    page = " ".join(shown(words).split())
    assert page.count("Exit codes:") == 1
    assert "2: any other error" in page or "2: an error" in page


def test_a_command_that_checks_says_what_exit_code_1_means(shown):
    for words in ("patch apply", "patch revert", "check", "compare", "enhance", "adapt", "run", "demo"):
        assert re.search(r"\. 1: \w+", " ".join(shown(words).split())), words


@pytest.mark.parametrize("words", WORDS)
def test_no_help_lists_options_that_empty_another(words, shown):
    assert not re.search(r"--([\w.-]+\.)?empty-", shown(words, "--help-all"))


@pytest.mark.parametrize("words", WORDS)
def test_defaults_are_words(words, shown):
    page = shown(words, "--help-all")
    assert not re.search(r"PydanticUndefined|default: (None|False|True|\(|\[)|\[required\]", page)


def test_lora_is_off_by_default(shown):
    page = " ".join(shown("adapt").replace("│", "").split())
    assert "[default: 8 with LoRA]" in page


def test_names_that_repeat_a_default_are_left_out_and_still_work(shown):
    score = shown("score", "--help-all")
    assert "--no-shard" not in score
    assert "--no-old-values" in shown("patch diff")
    assert call(["score", "none", "--prompts", "x", "--out", "x", "--no-shard"]) == 2


@pytest.mark.parametrize(
    ("words", "option", "choices"),
    [
        ("score", "--objective", get_args(get_args(ScoringOptions.model_fields["objective"].annotation)[0])),
        ("score", "--method", SCORES),
        ("select", "--selector", SELECTORS),
        ("enhance", "--objective", ("sft", "dpo")),
        ("combine", "OPERATION", ("union", "intersection", "difference")),
    ],
)
def test_every_choice_has_a_line_that_says_what_it_does(words, option, choices, shown):
    page = shown(words).split(option, 1)[1]
    assert [name for name in choices if not re.search(rf"^│ +{name}: \w", page, re.MULTILINE)] == []


def test_every_command_is_in_a_group_with_one_short_line(shown):
    assert [name for name in COMMANDS if not any(name in names for names in GROUPS.values())] == []
    assert [name for name, line in COMMANDS.items() if len(line) > 80] == []
    titles = PANEL.findall(shown(""))
    assert titles[:-1] == [group.name for group in GROUPS]


@pytest.mark.parametrize("words", WORDS)
def test_the_example_can_be_copied_out_of_a_narrow_terminal(words, shown):
    page = shown(words, width=80)
    copied = re.search(r"^Example: ((?:.*\\\n)*.*)$", page, re.MULTILINE)
    assert copied
    assert shlex.split(copied[1].replace("\\\n", " ")) == shlex.split(WORDS[words])


def test_what_looks_like_markup_is_shown(shown):
    assert "<think>...</think>" in shown("evaluate")


def test_a_missing_argument_is_called_as_the_help_calls_it(capsys):
    assert call(["score"]) == 2
    assert capsys.readouterr().err == (
        "holdfast: MODEL is missing, or has no value (a folder, a hub id or testbed:NAME); see --help.\n"
    )


def test_the_chat_template_of_a_guard_takes_arguments():
    line = ["score", "m", "--prompts", "p", "--out", "x", "--guard.arguments.policy", "strict"]
    assert app.parse_args(line)[1].arguments["judging"].guard.arguments == {"policy": "strict"}


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("score m --prompts p --out x --objectiv mix", "--objective"),
        ("score m --prompts p --out x --generate.max-new-token 3", "--generate.max-new-tokens"),
        ("score m --prompts p --out x --guard.familly llama", "--guard.family"),
        ("adapt m --task t --out x --lora.rnk 8", "--lora.rank"),
        ("select s --out x --utility-fracton 0.1", "--utility-fraction"),
        ("verify m --mask x --out y --ratio 2", "--ratios"),
        ("evaluate m --out x --second-juge t", "--second-judge"),
        ("compare a b --markdwn x", "--markdown"),
    ],
)
def test_a_misspelt_option_is_told_the_closest_in_one_sentence(line, meant, capsys):
    assert call(line.split()) == 2
    said = capsys.readouterr().err
    assert f"Did you mean {meant}?" in said
    assert said.count("\n") == 1
