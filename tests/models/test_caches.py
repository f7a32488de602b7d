"""No warning of transformers' on how a cache is handed over reaches whoever generates, scores or plans."""

import logging
import warnings

import pytest
from transformers.utils import logging as transformers_logging

from holdfast.models.generate import generate
from holdfast.models.options import GenerateOptions
from holdfast.plan.passes import Batch, answering
from holdfast.records import Exchange
from holdfast.score import ResponseLikelihood
from holdfast.score.inputs import sum_input_squares
from holdfast.score.passes import Pass
from tests.tiny import make_llama


@pytest.fixture
def told():
    """What transformers logs, each time anew."""
    transformers_logging.get_logger("transformers").warning_once.__func__.cache_clear()
    records, handler = [], logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def generating(tokenizer):
    """More tokens than one stretch has, so that a cache is handed on."""
    return generate(make_llama(), tokenizer, ["help", "how do i"], GenerateOptions(max_new_tokens=20))


def reading_inputs(tokenizer):
    model, objective = make_llama(), ResponseLikelihood(tokenizer, [Exchange("help ?", "not that .")])
    names = [name for name, _ in model.named_parameters() if "v_proj" in name]
    return sum_input_squares(model, names, objective, [0], Pass(token_budget=64))


def planning(tokenizer):
    return answering(make_llama().to("meta"), Batch(2, 12, 4), samples=False)


@pytest.mark.parametrize("work", [generating, reading_inputs, planning])
def test_a_cache_is_handed_over_by_the_name_that_transformers_takes(work, tokenizer, told):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        assert work(tokenizer)
    assert [record.getMessage() for record in told] == []
