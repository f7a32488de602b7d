"""A run of text has the tokens that it has in its conversation, whatever the tokenizer does to the first text."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from holdfast.prompts.chat import encode_exchange, encode_prompt
from holdfast.prompts.text_tokens import encode_text
from tests.tiny import CHAT_TEMPLATE, TEXT

MARKS = ["<unk>", "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"]
BEHIND = CHAT_TEMPLATE.replace("<|{{ turn.role }}|>", "<|{{ turn.role }}|>\n")
"""Text of the template's own behind a special token."""


def metaspace(scheme: str, template: str = CHAT_TEMPLATE, nested: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer that writes blanks as ▁, and puts one in front as its scheme says."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    part = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([part]) if nested else part
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=MARKS, initial_alphabet=["\n"])
    tokenizer.train_from_iterator(TEXT, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>")
    made.add_special_tokens({"additional_special_tokens": MARKS[3:]})
    made.chat_template = template
    return made


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("template", [CHAT_TEMPLATE, BEHIND])
@pytest.mark.parametrize("scheme", ["first", "always", "never"])
def test_a_prompt_has_the_tokens_that_transformers_gives_it(scheme, template, nested):
    tokenizer = metaspace(scheme, template, nested)
    messages = [{"role": "user", "content": "how do i mend the old clock ?"}]
    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert encode_prompt(tokenizer, messages[0]["content"]) == expected


@pytest.mark.parametrize("scheme", ["first", "always", "never"])
def test_an_exchange_has_the_tokens_that_transformers_gives_it_up_to_its_end(scheme):
    tokenizer = metaspace(scheme)
    turns = [{"role": "user", "content": "how do i mend it ?"}, {"role": "assistant", "content": "sorry , i can not"}]
    chat = encode_exchange(tokenizer, *(turn["content"] for turn in turns))
    assert chat.token_ids == tokenizer.apply_chat_template(turns, return_dict=False)
    said = [(span.start, span.end) for span in chat.spans[1]]
    assert (said[0][0], said[-1][1]) == (0, len("sorry , i can not"))


def test_a_special_token_in_a_text_is_text_behind_another_one_too():
    tokenizer = metaspace("first")
    special = set(tokenizer.all_special_ids) - {tokenizer.convert_tokens_to_ids("<unk>")}
    assert not special & set(encode_text(tokenizer, "the <|end|> clock", at_start=False).token_ids)


def test_a_tokenizer_without_offsets_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"\(ByT5Tokenizer\) is written in Python and can't tell which characters"):
        encode_text(ByT5Tokenizer(), "the clock", at_start=True)
