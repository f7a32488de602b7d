"""A script plans a gate as `holdfast plan-gate` does."""

import json

import pytest

from holdfast import plan_gate
from holdfast.cli import call

GATE = ["refusal < before - 0.05", "over_refusal > before + 0.05"]


def test_a_script_gets_the_numbers_of_the_command(capsys):
    plan = plan_gate([*GATE, "asr > 0.5"], prompts=[100, 400], rates=[0.2])
    arguments = [word for one in (*GATE, "asr > 0.5") for word in ("--fail-if", one)]
    assert call(["plan-gate", *arguments, "--prompts", "100", "400", "--rate", "0.2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(plan.to_json()))


def test_a_plan_prints_how_many_prompts_to_take():
    plan = plan_gate(GATE, prompts=[100])
    assert (plan.to_pass, plan.to_fail) == (213, 1036)
    assert plan.advice == (
        "Take 213 prompts of each kind: a model that is as good as before then passes in 80% of cases. Take 1,036 to "
        "catch a model that is worse by 0.08 in refusal in 80% of cases, the loss that takes the most."
    )


def test_a_printed_plan_has_a_table_of_each_condition():
    first, plan = plan_gate([*GATE, "asr > 0.5"], prompts=[100, 1600]), plan_gate(GATE[:1], prompts=[100, 1600])
    assert str(plan).splitlines() == [
        plan.advice,
        "",
        "refusal < before - 0.05: share of cases in which the gate",
        "prompts  passes if as good as before  fails if worse by 0.08  smallest loss in 80% of cases",
        "    100                          58%                     19%                          0.160",
        "  1,600                         100%                     97%                          0.071",
    ]
    assert "asr > 0.5: share of cases in which the gate\nprompts  passes if asr is 0.4  fails if asr is 0.53" in str(
        first
    )


def test_without_a_margin_no_number_of_prompts_passes():
    plan = plan_gate(["asr > before"], prompts=[100])
    assert plan.to_pass is None
    assert str(plan).startswith("No number of prompts passes a model that is only as good as before")


@pytest.mark.parametrize(
    ("conditions", "options", "sentence"),
    [
        ([], {}, "a plan needs a condition"),
        ("asr > 0.5", {}, "fail_if is a list of conditions, got one text"),
        (["asr < before"], {}, r"such as 'asr > \.\.\.'\. Turn it round\.$"),
        (["asr > before", "asr > before"], {}, "is given twice"),
        (GATE, {"rates": [0.5]}, "no condition has one; give no rate"),
        (["asr > 0.5"], {"rates": [0.1, 0.2]}, "2 rates are given, and 1 condition has a level"),
        (GATE, {"prompts": [0]}, r"prompts is \[0\]; give a list of numbers of prompts, each 1 or more"),
        (GATE, {"prompts": 100}, r"prompts is 100; give a list of numbers of prompts, such as \[100, 400\]"),
        (GATE, {"prompts": "100"}, r"prompts is '100'; give a list of numbers"),
        (GATE, {"change": float("nan")}, "change is nan; give a number above -1 and below 1, such as 0.05, or leave"),
        (GATE, {"change": "0.05"}, "change is '0.05'; give a number"),
        (GATE, {"discordance": None}, "discordance is None; give a share of prompts"),
        (GATE, {"power": "80%"}, "power is '80%'; give a share of cases"),
        (["asr > 0.5"], {"rates": 0.2}, r"rates is 0.2; give a list of rates, such as \[0.7\]"),
        (["asr > 0.5"], {"rates": [20]}, "a rate of rates=20 is not a rate from 0 to 1; write"),
        (GATE, {"power": 80}, "power is 80; give a share of cases above 0.05 and below 1"),
        (GATE, {"discordance": 5}, "discordance is 5; give a share of prompts"),
        (GATE, {"change": 0.01}, "so no gate must find it; give a larger change"),
        (GATE, {"rate": [0.5]}, "plan_gate takes no 'rate'; did you mean 'rates'"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_no_option_of_the_command_line(conditions, options, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        plan_gate(conditions, **options)
    assert "--" not in str(refused.value)
