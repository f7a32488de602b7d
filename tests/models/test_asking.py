import pytest

from holdfast.models.asking import ask, is_cut_by_context, read_response
from holdfast.models.options import GenerateOptions
from holdfast.models.response_log import Response


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
