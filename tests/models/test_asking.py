import pytest

from holdfast.models.asking import ask, end_ids, is_cut_by_context, read_response
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response
from tests.templates import OPENING, QWEN3, tokenizer_with
from tests.tiny import make_llama, make_tokenizer


def test_a_prompt_ends_where_the_assistant_begins(llama, tokenizer):
    (asked,) = ask(llama, tokenizer, ["hello"])
    messages = [{"role": "user", "content": "hello"}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert tokenizer.decode(asked.prompt_ids) == text
    assert text.endswith("<|assistant|>")


@pytest.mark.parametrize("end", [1, 5])
def test_the_end_token_is_no_part_of_a_response_and_neither_is_what_follows(llama, tokenizer, end):
    (asked,) = ask(llama, tokenizer, ["hello"])
    said = tokenizer("sorry , i", add_special_tokens=False).input_ids
    response = read_response(tokenizer, asked, [*said, end, *said], {1, 5})
    assert response == Response("hello", asked.prompt_ids, said, "sorry , i", finished=True, end_id=end)
    assert not read_response(tokenizer, asked, said, {1, 5}).finished


@pytest.mark.parametrize(
    ("kept", "changes", "is_cut"),
    [(3, {}, True), (4, {}, False), (3, {"finished": True}, False), (0, {"broken": True}, False)],
)
def test_a_response_is_cut_by_the_context_where_nothing_else_ended_it(kept, changes, is_cut):
    response = Response("a", [1], [7] * kept, "", **{"finished": False, **changes})
    assert is_cut_by_context(response, GenerateOptions(max_new_tokens=4)) is is_cut


@pytest.fixture
def model():
    return make_llama(340)


def test_the_end_of_a_turn_in_the_template_ends_a_response_whatever_the_configs_say(model):
    tokenizer = tokenizer_with(QWEN3)  # its eos is <|end|>, as a base model's is no <|im_end|>
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.generation_config.eos_token_id = None
    assert end_ids(model, tokenizer) == {tokenizer.eos_token_id, end}
    model.generation_config.eos_token_id = [5, 6]
    assert end_ids(model, tokenizer) == {tokenizer.eos_token_id, end, 5, 6}
    (asked,) = ask(model, tokenizer, ["mend"])
    said = tokenizer("the clock")["input_ids"]
    response = read_response(tokenizer, asked, [*said, end, *said], end_ids(model, tokenizer))
    assert (response.text, response.finished, response.end_id) == ("the clock", True, end)


def test_a_template_whose_turns_end_in_no_special_token_adds_no_end(model):
    tokenizer = make_tokenizer(template="{% for turn in messages %}{{ turn.content }}\n\n{% endfor %}")
    assert end_ids(model, tokenizer) == {1}


def test_the_mark_of_thoughts_that_the_prompt_opened_is_kept_with_the_response(model):
    tokenizer = tokenizer_with(OPENING)
    (asked,) = ask(model, tokenizer, ["mend"])
    assert asked.opened == "<think>\n"
    response = read_response(tokenizer, asked, tokenizer("hm.\n</think>\n\n4")["input_ids"], {1})
    assert response.text == "hm.\n</think>\n\n4"
    assert response.record == "<think>\nhm.\n</think>\n\n4"
    assert ask(model, tokenizer_with(QWEN3), ["mend"])[0].opened == ""


def test_a_prefill_stands_behind_the_mark_and_a_prompts_own_words_open_nothing(model):
    tokenizer = tokenizer_with(OPENING)
    (asked,) = ask(model, tokenizer, ["mend"], openings=["sure"])
    assert (asked.opened, asked.opening) == ("<think>\n", "sure")
    assert ask(model, make_tokenizer(), ["what is <think>"])[0].opened == ""
