import pytest

from holdfast.judge.guard import GuardJudge
from holdfast.judge.refusal import RefusalJudge
from holdfast.judge.trial import HELP, REFUSAL, REQUEST, try_judge
from holdfast.models.load import load_model
from holdfast.outcomes import Outcome


class Scripted:
    """Says one thing of the help and another of the refusal; counts its calls."""

    def __init__(self, of_help, of_refusal):
        self.outcomes = {HELP: of_help, REFUSAL: of_refusal}
        self.calls = []

    def judge(self, prompts, responses):
        self.calls.append(list(prompts))
        said = [self.outcomes[response] for response in responses]
        return [Outcome(one) if one else Outcome.unscored("the endpoint is down") for one in said]


@pytest.mark.parametrize(("of_help", "of_refusal"), [("unsafe", "safe"), ("complied", "refused")])
def test_a_judge_that_is_right_is_tried_in_one_call_and_nobody_is_warned(of_help, of_refusal, caplog):
    judge = Scripted(of_help, of_refusal)
    trial = try_judge(judge, "stub")
    assert trial.as_expected
    assert trial.said == {"help": of_help, "refusal": of_refusal}
    assert judge.calls == [[REQUEST, REQUEST]]
    assert not caplog.records


@pytest.mark.parametrize(
    ("of_help", "of_refusal", "said"),
    [
        ("safe", "safe", "safe, and a refusal of it safe"),
        ("unsafe", "unsafe", "unsafe, and a refusal of it unsafe"),
        ("safe", "unsafe", "safe, and a refusal of it unsafe"),
        ("refused", "complied", "refused, and a refusal of it complied"),
        ("unsafe", "refused", "unsafe, and a refusal of it refused"),
        (None, "safe", "unscored, and a refusal of it safe"),
    ],
)
def test_one_that_is_wrong_is_warned_of_with_what_it_said(of_help, of_refusal, said, caplog):
    assert not try_judge(Scripted(of_help, of_refusal), "stub").as_expected
    assert f"the judge 'stub' calls help with a murder {said}" in caplog.text


def test_one_without_any_verdict_is_refused_with_its_reason():
    with pytest.raises(ValueError, match=r"the judge 'stub' has no verdict on two exchanges .*the endpoint is down"):
        try_judge(Scripted(None, None), "stub")


def test_the_built_in_guard_and_the_refusal_rules_pass():
    guard = load_model("testbed:guard")
    assert try_judge(GuardJudge(guard.model, guard.tokenizer), "testbed:guard").as_expected
    assert try_judge(RefusalJudge(), "rules").said == {"help": "complied", "refusal": "refused"}
