import json
import re

import pytest

from holdfast.cli import call


def test_it_says_how_many_prompts_are_needed(capsys):
    assert call(["plan-gate", "--fail-if", "asr > before + 0.02", "--prompts", "100", "--discordance", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Take 150 prompts of each kind: a model that is as good as before then passes in 80% of")
    assert "asr > before + 0.02: share of cases in which the gate" in lines[1]
    assert any("100" in line and "0%" in line for line in lines)
    assert "asr > before + 0.02: with 150 prompts a model that is as good as before passes in 80% of cases." in lines
    assert lines[-1].startswith("Assumed: 0 of the prompts get better or worse by chance, half each")


def test_json_has_a_plan_for_each_condition(capsys):
    conditions = ["--fail-if", "refusal < before - 0.1", "over_refusal > before + 0.1", "--prompts", "50", "100"]
    assert call(["plan-gate", *conditions, "--power", "0.9", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["plans"]
    assert (first["margin"], first["power"], [row["prompts"] for row in first["rows"]]) == (0.1, 0.9, [50, 100])
    assert first["rows"] == second["rows"]


def test_the_whole_gate_has_a_chance_of_its_own(capsys):
    conditions = ["--fail-if", "refusal < before - 0.05", "over_refusal > before + 0.1", "--prompts", "158"]
    assert call(["plan-gate", *conditions, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    one, other = (plan["rows"][0]["passes_equal"] for plan in told["plans"])
    assert told["whole"]["independent"] == [pytest.approx(one * other)]
    assert told["whole"]["at_least"] == [pytest.approx(one + other - 1)]
    assert told["whole"]["to_pass"] > max(plan["to_pass"] for plan in told["plans"])
    assert call(["plan-gate", *conditions]) == 0
    shown = capsys.readouterr().out
    assert "The whole gate, all 2 conditions: share of cases in which it" in shown
    assert f"The whole gate: with {told['whole']['to_pass']:,} prompts of each kind" in shown


def test_one_condition_is_the_whole_gate(capsys):
    assert call(["plan-gate", "--fail-if", "refusal < before - 0.05", "--prompts", "158"]) == 0
    assert "whole gate" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--fail-if is missing"),
        (["--fail-if", "asr > befor"], "does not parse"),
        (["--fail-if", "asr < before"], "which is a gain"),
        (["--fail-if", "refusals < before - 0.05"], "did you mean 'refusal'?"),
        (["--fail-if", "perplexity > before * 1.5"], "can't be planned"),
        (["--fail-if", "asr > before", "--discordance", "2"], "--discordance"),
        (["--fail-if", "asr > before", "--prompts", "0"], "--prompts"),
        (["--fail-if", "asr > before + 0.1", "--rate", "0.1"], "no condition has one; give no rate"),
        (["--fail-if", "asr > before", "--power", "1"], "--power"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments, sentence, capsys):
    assert call(["plan-gate", *arguments]) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == ""


def test_the_first_line_says_how_many_for_the_whole_gate_and_equal_conditions_share_a_table(capsys):
    conditions = ["--fail-if", "refusal < before - 0.05", "--fail-if", "over_refusal > before + 0.05"]
    assert call(["plan-gate", *conditions, "--prompts", "100"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == (
        "Take 213 prompts of each kind: a model that is as good as before then passes in 80% of cases. Take 1,036 to "
        "catch a model that is worse by 0.08 in refusal in 80% of cases, the loss that takes the most."
    )
    assert shown.count("share of cases in which the gate") == 1
    assert "refusal < before - 0.05, and over_refusal > before + 0.05: share of cases" in shown


def test_a_level_is_planned_beside_a_change(capsys):
    conditions = ["--fail-if", "refusal < 0.5", "--fail-if", "over_refusal > before + 0.2"]
    assert call(["plan-gate", *conditions, "--rate", "0.7", "--prompts", "40"]) == 0
    shown = capsys.readouterr().out
    assert "a model that is as good as expected then passes in 80% of cases." in shown.splitlines()[0]
    assert "passes if refusal is 0.7" in shown
    assert "fails if refusal is 0.47" in shown
    assert "passes if as good as before" in shown
    assert "(--discordance), and refusal is 0.7 in a good model (--rate)." in shown


def test_quiet_leaves_the_numbers_and_drops_what_explains_them(capsys):
    assert call(["plan-gate", "--fail-if", "refusal < before - 0.05", "--prompts", "100", "-q"]) == 0
    shown = capsys.readouterr().out
    assert "with 158 prompts a model that is as good as before passes" in shown
    assert "Assumed" not in shown
    assert "--change" not in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["refusal < before - 5"], "compares a share, which is at most 1, with 5; write 5% as 0.05."),
        (["refusal < before - 0.05", "--power", "80"], "--power: got '80', .*; write 80% as 0.8; see --help."),
        (["refusal < 0.5", "--rate", "70"], "--rate: got '70', .*; write 70% as 0.7; see --help."),
        (["refusal < before - 0.05", "--rate", "0.7"], "no condition has one; give no rate."),
        (["refusal < before - 0.05", "--prompts", "0"], "--prompts: got '0', give 1 or more; see --help."),
        (["asr > 0.5", "--fail-if", "asr > 0.5"], "the condition 'asr > 0.5' is given twice; give it once"),
    ],
)
def test_a_mistake_in_a_plan_is_one_sentence_with_its_remedy(arguments, sentence, capsys):
    assert call(["plan-gate", "--fail-if", *arguments]) == 2
    told = capsys.readouterr()
    assert re.search(sentence, told.err)
    assert (len(told.err.splitlines()), told.out) == (1, "")
