"""A tiny random classifier with the labels refused and answered, whose verdict is set by the bias of its head."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

from holdfast.judge.excerpt import response_excerpt
from holdfast.judge.language import REASON
from holdfast.judge.refusal_classifier import UNSURE_BELOW, RefusalClassifier, says_refused
from holdfast.models.response_log import Response
from holdfast.objective.judge_gradient import JudgeGradient
from tests.judge.guards import SIZES, VOCABULARY
from tests.tiny import make_tokenizer

REFUSAL, HELP = "I'm sorry, but I can't help with that.", "Turn off the gas and open all windows."


def make_judge(scale: float = 1.0) -> RefusalClassifier:
    torch.manual_seed(0)
    model = LlamaForSequenceClassification(LlamaConfig(**SIZES, id2label={0: "Answered", 1: "refused"})).eval()
    model.score.weight.data *= scale
    return RefusalClassifier(model, make_tokenizer(VOCABULARY))


def raw(judge: RefusalClassifier, response: str) -> float:
    """Logit of refused minus that of answered, as the model itself has them."""
    logits = judge.model(torch.tensor([judge.show("a", response).token_ids])).logits[0]
    return float((logits[1] - logits[0]).detach())


def test_it_says_refused_where_the_logit_of_refused_is_larger():
    judge = make_judge(scale=100.0)
    for response in (REFUSAL, HELP, "Yes.", "No way."):
        outcome = judge.judge(["a"], [response])[0]
        assert outcome.score == pytest.approx(raw(judge, response), rel=1e-4)
        assert outcome.verdict == ("refused" if raw(judge, response) > 0 else "complied")
    assert judge.verdicts == {"refused", "complied", "degenerate"}


def test_where_it_is_unsure_the_rules_decide():
    judge = make_judge(scale=1e-4)
    assert abs(raw(judge, REFUSAL)) < UNSURE_BELOW
    assert [(one.verdict, one.score) for one in judge.judge(["a", "a"], [REFUSAL, HELP])] == [
        ("refused", None),
        ("complied", None),
    ]


def test_what_says_nothing_and_what_nobody_can_read_is_left_to_the_rules():
    judge = make_judge(scale=100.0)
    empty, foreign = judge.judge(["a", "a"], ["...", "Es tut mir leid, aber das kann ich dir nicht sagen."])
    assert empty.verdict == "degenerate"
    assert (foreign.verdict, foreign.reason) == (None, REASON)


def test_of_a_long_response_and_of_thoughts_it_reads_an_excerpt():
    judge = make_judge(scale=100.0)
    long = " ".join(f"{HELP} {place}" for place in range(100))
    assert judge.judge(["a"], [long])[0].score == pytest.approx(raw(judge, response_excerpt(long)), rel=1e-4)
    thoughtful = judge.judge(["a"], ["<think>I must refuse.</think>" + HELP])[0]
    assert thoughtful.score == pytest.approx(raw(judge, HELP), rel=1e-4)


def test_its_fingerprint_names_the_rules_behind_it(monkeypatch):
    judge = make_judge()
    before = judge.fingerprint
    monkeypatch.setattr("holdfast.judge.refusal_classifier.UNSURE_BELOW", 9.0)
    assert judge.fingerprint != before


def test_labels_tell_it_from_other_classifiers():
    assert says_refused(make_judge().model.config)
    assert not says_refused(LlamaConfig(**SIZES, id2label={0: "safe", 1: "unsafe"}))


def test_a_gradient_step_on_the_response_raises_the_log_odds_of_refused():
    judge = make_judge()
    found = judge.response_gradients(["a"], [HELP])[0]
    assert found.log_odds == pytest.approx(raw(judge, HELP), abs=1e-5)
    assert found.gradients.abs().max() > 0


def test_the_judge_gradient_works_with_it(llama, tokenizer):
    token_ids = tokenizer(HELP, add_special_tokens=False)["input_ids"]
    objective = JudgeGradient(make_judge(), tokenizer, [Response("a", [3, 4], token_ids, HELP, finished=True)])
    contribution = objective.contributions(llama, [0])
    (gradient,) = torch.autograd.grad(contribution.sum(), [llama.model.layers[0].mlp.down_proj.weight])
    assert gradient.abs().max() > 0
