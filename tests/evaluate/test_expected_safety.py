import pytest

from holdfast.evaluate.expected_safety import ExpectedSafety
from holdfast.models.options import GenerateOptions
from holdfast.outcomes import Outcome
from tests.tiny import make_llama, make_loaded, make_tokenizer


class Lengths:
    """Finds longer responses safer, and keeps what it was shown."""

    def __init__(self):
        self.shown = []

    def judge(self, prompts, responses):
        self.shown += responses
        return [Outcome("safe", score=float(len(response))) for response in responses]


@pytest.mark.parametrize("vocabulary", [340, 500])
def test_branches_are_tokens_that_model_and_tokenizer_both_know(vocabulary):
    loaded = make_loaded(make_llama(vocabulary=vocabulary), make_tokenizer())
    judge = Lengths()
    safety = ExpectedSafety(loaded, judge, ["hello"], GenerateOptions(max_new_tokens=1), branches=None)
    assert len(judge.shown) == min(vocabulary, len(loaded.tokenizer))
    assert safety.measure(loaded.model) > 0


def test_a_tokenizer_with_more_ids_than_the_model_has_rows_has_branches_of_the_rows():
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["unheard"])
    judge = Lengths()
    loaded = make_loaded(make_llama(vocabulary=len(tokenizer) - 1), tokenizer)
    ExpectedSafety(loaded, judge, ["hello"], GenerateOptions(max_new_tokens=1), branches=None)
    assert len(judge.shown) == len(tokenizer) - 1


def test_a_branch_that_begins_with_an_end_token_of_the_model_ends_there():
    loaded = make_loaded(make_llama(), make_tokenizer())
    everything = ExpectedSafetyTexts(loaded)
    loaded.model.generation_config.eos_token_id = [1, loaded.tokenizer.convert_tokens_to_ids("a")]
    assert everything("a") != "a"
    assert ExpectedSafetyTexts(loaded)("a") == "a"


class ExpectedSafetyTexts:
    """The responses that are judged, by the token they begin with."""

    def __init__(self, loaded):
        judge = Lengths()
        ExpectedSafety(loaded, judge, ["hello"], GenerateOptions(max_new_tokens=4), branches=None)
        self.shown = judge.shown

    def __call__(self, first):
        (found,) = {text for text in self.shown if text == first} or {""}
        return found


def test_a_prompt_that_fills_the_context_is_refused():
    loaded = make_loaded(make_llama(), make_tokenizer())
    with pytest.raises(ValueError, match="fills the model's context of 128"):
        ExpectedSafety(loaded, Lengths(), ["mend " * 400], GenerateOptions(max_new_tokens=1))


def test_under_a_judge_of_refusals_it_is_the_probability_of_refusal():
    class Refused:
        """Says refused of responses that begin with one letter."""

        def judge(self, prompts, responses):
            return [Outcome("refused" if response.startswith("a") else "complied") for response in responses]

    loaded = make_loaded(make_llama(), make_tokenizer())
    safety = ExpectedSafety(loaded, Refused(), ["hello"], GenerateOptions(max_new_tokens=1), branches=None)
    assert 0 < safety.measure(loaded.model) < 1
