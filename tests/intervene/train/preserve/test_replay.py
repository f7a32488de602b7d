import pytest

from holdfast.intervene.train.examples import Unfinished, training_row
from holdfast.intervene.train.preserve import replay
from holdfast.intervene.train.preserve.replay import own_answers, tell_complying
from holdfast.models.response_log import Response
from holdfast.records import Exchange, Prompt
from tests.intervene.given import HARMLESS, REFUSALS, load_tiny
from tests.tiny import make_tokenizer

PROMPTS = [Prompt(exchange.prompt) for exchange in REFUSALS]


@pytest.fixture
def answering(monkeypatch):
    """A model that answers every prompt, ends only the first answer, and says nothing to the last prompt."""
    calls = []

    def generate(model, tokenizer, prompts, options, progress):
        calls.append((list(prompts), options.max_new_tokens, options.temperature))
        texts = ["sorry , i can not help with that ."] * (len(prompts) - 1) + [""]
        return [
            Response(prompt, [1], [2], text, place == 0)
            for place, (prompt, text) in enumerate(zip(prompts, texts, strict=True))
        ]

    monkeypatch.setattr(replay, "generate", generate)
    return calls


def test_answers_are_greedy_and_made_once(answering, tmp_path):
    loaded, cache = load_tiny(), tmp_path / "answers.json"
    answers = own_answers(loaded, PROMPTS, max_new_tokens=9, cache=cache)
    assert answering == [([prompt.prompt for prompt in PROMPTS], 9, 0.0)]
    assert [answer.prompt for answer in answers] == [prompt.prompt for prompt in PROMPTS[:-1]], (
        "an empty one is left out"
    )
    assert [type(answer) for answer in answers] == [Exchange, *[Unfinished] * 4]
    again = own_answers(loaded, PROMPTS, max_new_tokens=9, cache=cache)
    assert (again, [type(answer) for answer in again]) == (answers, [type(answer) for answer in answers])
    assert len(answering) == 1


@pytest.mark.parametrize("change", [{"max_new_tokens": 8}, {"prompts": PROMPTS[:3]}])
def test_other_prompts_or_limits_make_other_answers(answering, tmp_path, change):
    loaded, cache = load_tiny(), tmp_path / "answers.json"
    own_answers(loaded, PROMPTS, max_new_tokens=9, cache=cache)
    prompts = change.pop("prompts", PROMPTS)
    own_answers(loaded, prompts, **{"max_new_tokens": 9, **change}, cache=cache)
    assert len(answering) == 2


def test_a_cut_off_answer_teaches_no_end():
    tokenizer = make_tokenizer()
    whole, cut = (training_row(tokenizer, kind("how ?", "so it is"), 64) for kind in (Exchange, Unfinished))
    assert whole["input_ids"] == [*cut["input_ids"], tokenizer.eos_token_id]
    assert whole["labels"][:-1] == cut["labels"]


def test_answers_that_do_not_refuse_are_told_with_their_share(caplog):
    tell_complying([*REFUSALS, *HARMLESS[:2]])
    assert "6 of 8 responses of the safety exchanges are refusals (75%); 2 do not refuse" in caplog.text
    caplog.clear()
    tell_complying(REFUSALS)
    assert not caplog.text


def test_given_exchanges_that_mostly_do_not_refuse_are_refused():
    with pytest.raises(ValueError, match="give harmful prompts with refusals as the safety exchanges"):
        tell_complying([*REFUSALS[:1], *HARMLESS[:2]], are_given=True)


def test_empty_answers_alone_are_refused(monkeypatch):
    empty = [Response(prompt.prompt, [1], [], "", True) for prompt in PROMPTS]
    monkeypatch.setattr(replay, "generate", lambda *_: empty)
    with pytest.raises(ValueError, match="own answers to all safety prompts are empty"):
        own_answers(load_tiny(), PROMPTS)
