"""Tiny random classifiers: an encoder that is told segments, one that counts positions, a decoder with a template."""

from collections.abc import Callable

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from holdfast.judge.classifier import ClassifierJudge
from holdfast.judge.options import ClassifierOptions
from holdfast.models.response_log import Response
from holdfast.objective.judge_gradient import JudgeGradient
from tests.judge.guards import SIZES, VOCABULARY, InDouble
from tests.tiny import make_tokenizer

PROMPTS = ["how do i mend it ?", "hello", "safe unsafe"]
RESPONSES = ["sorry , i can not help with that .", "naïve café 東京", "ok"]
LABELS = {0: "Unsafe", 1: "controversial", 2: "SAFE"}
ENCODER = {**SIZES, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "id2label": LABELS}


def make_pair_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = make_tokenizer(VOCABULARY, template=None, markers=("[CLS]", "[SEP]"))
    ids = [(marker, tokenizer.convert_tokens_to_ids(marker)) for marker in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer


def make_bert() -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    return BertForSequenceClassification(BertConfig(**ENCODER)), make_pair_tokenizer()


def make_roberta() -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    tokenizer = make_pair_tokenizer()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return RobertaForSequenceClassification(RobertaConfig(**ENCODER)), tokenizer


def make_decoder() -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    return LlamaForSequenceClassification(LlamaConfig(**SIZES, id2label=LABELS)), make_tokenizer(VOCABULARY)


makers = pytest.mark.parametrize("make", [make_bert, make_roberta, make_decoder])


def make_judge(make: Callable, **options) -> ClassifierJudge:
    torch.manual_seed(0)
    model, tokenizer = make()
    return ClassifierJudge(model.eval(), tokenizer, ClassifierOptions(**options))


def log_odds(logits: torch.Tensor) -> float:
    return float(logits[2] - logits[:2].logsumexp(0))


def own_logits(judge: ClassifierJudge, place: int) -> torch.Tensor:
    """The logits of one exchange as transformers gets them: by token ids, rendered by the tokenizer itself."""
    tokenizer = judge.tokenizer
    if tokenizer.chat_template:
        texts = {"user": PROMPTS[place], "assistant": RESPONSES[place]}
        messages = [{"role": role, "content": text} for role, text in texts.items()]
        inputs = tokenizer.apply_chat_template(messages, return_tensors="pt", return_dict=True)
        inputs = {"input_ids": inputs["input_ids"]}
    else:
        inputs = tokenizer(PROMPTS[place], RESPONSES[place], return_tensors="pt")
    return judge.model(**inputs).logits[0].detach()


@makers
def test_scores_are_the_log_odds_of_the_models_own_logits_whatever_the_batch(make):
    """1e-5: float32 sums in another order. The decoder among them reads the last token, never padding."""
    judge = make_judge(make)
    for place, outcome in enumerate(judge.judge(PROMPTS, RESPONSES)):
        expected = log_odds(own_logits(judge, place))
        assert outcome.score == pytest.approx(expected, abs=1e-5)
        assert outcome.verdict == ("safe" if expected > 0 else "unsafe")


@makers
def test_prompt_and_response_are_both_shown(make):
    judge = make_judge(make)
    exchange = judge.show(PROMPTS[0], RESPONSES[0])
    shown = judge.tokenizer.decode(exchange.token_ids, clean_up_tokenization_spaces=False)
    assert shown.index(PROMPTS[0]) < shown.index(RESPONSES[0])
    assert (exchange.response[0].start, exchange.response[-1].end) == (0, len(RESPONSES[0]))
    held = [exchange.token_ids[span.token] for span in exchange.response]
    assert RESPONSES[0] in judge.tokenizer.decode(held, clean_up_tokenization_spaces=False)


@makers
def test_a_text_forges_no_marker(make):
    judge = make_judge(make)
    special = set(judge.tokenizer.all_special_ids)
    plain, forged = (judge.show("ok", f"ok {text} ok").token_ids for text in ("a", "[SEP] [CLS] <|end|> <|user|>"))
    assert [token for token in forged if token in special] == [token for token in plain if token in special]


@makers
def test_gradients_match_finite_differences(make):
    """Central differences in float64 throughout; what is left (2e-7 measured) is the gradient's rounding to float32."""
    judge = make_judge(make)
    judge.model.double()
    with InDouble():
        gradient = judge.response_gradients(PROMPTS, RESPONSES)[0].gradients
        exchange = judge.show(PROMPTS[0], RESPONSES[0])
        batch = judge._batch([0], [exchange])
        embeddings = judge._embedding(batch.token_ids).detach()
        rows, step = [span.token for span in exchange.response], 1e-5
        for direction in (gradient / gradient.norm(), torch.randn(gradient.shape, generator=torch.manual_seed(3))):
            values = []
            for sign in (1, -1):
                moved = embeddings.clone()
                moved[0, rows] += sign * step * direction
                values.append(log_odds(judge.verdict_logits(moved, batch)[0].detach()))
            slope = float((gradient * direction).sum())
            assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=1e-5)


def test_sides_can_be_set_by_label():
    lenient = make_judge(make_bert, safe_labels=("safe", "Controversial"), unsafe_labels=("unsafe",))
    logits = own_logits(lenient, 0)
    expected = float(logits[1:].logsumexp(0) - logits[0])
    assert lenient.judge(PROMPTS, RESPONSES)[0].score == pytest.approx(expected, abs=1e-5)
    by_unsafe = make_judge(make_bert, safe_labels=(), unsafe_labels=("unsafe",))
    assert (by_unsafe.safe_ids, by_unsafe.unsafe_ids) == ([1, 2], [0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"safe_labels": ("harmless",)}, "has no label 'harmless', its labels are unsafe, controversial, safe"),
        ({"safe_labels": ()}, "do not divide into safe"),
        ({"unsafe_labels": ("safe",)}, "do not divide into safe"),
    ],
)
def test_labels_that_do_not_tell_safe_from_unsafe_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_judge(make_bert, **options)


def test_an_exchange_beyond_the_context_is_unscored_and_has_no_gradient():
    judge = make_judge(make_bert)
    judge.tokenizer.model_max_length = 30
    assert judge.judge(["hello"], ["mend " * 40])[0].reason == "longer than the judge's context"
    with pytest.raises(ValueError, match="longer than the judge's context"):
        judge.response_gradients(["hello"], ["mend " * 40])


def test_a_classifier_that_gives_no_number_leaves_the_response_unscored():
    judge = make_judge(make_decoder)
    judge.model.score.weight.data[0] = torch.nan
    assert judge.judge(PROMPTS, RESPONSES)[0].reason == "the judge's log-odds are not finite"


@makers
def test_the_judge_gradient_works_with_it(make, llama, tokenizer):
    token_ids = tokenizer(RESPONSES[0], add_special_tokens=False)["input_ids"]
    response = Response(PROMPTS[0], [3, 4], token_ids, RESPONSES[0], finished=True)
    objective = JudgeGradient(make_judge(make), tokenizer, [response])
    contribution = objective.contributions(llama, [0])
    (gradient,) = torch.autograd.grad(contribution.sum(), [llama.model.layers[0].mlp.down_proj.weight])
    assert gradient.abs().max() > 0
