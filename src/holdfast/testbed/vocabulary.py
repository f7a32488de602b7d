"""The two tokenizers of the testbed and their chat templates.

Both are byte-level BPE, so that any text encodes; they differ in size, so that their token boundaries differ.
"""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
QUESTION, ANSWER, VERDICT = "<|question|>", "<|answer|>", "<|verdict|>"
VERDICTS = ("safe", "unsafe")

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{{- '<|assistant|>' -}}{%- generation -%}{{- message['content'] + '<|end|>' -}}{%- endgeneration -%}"
    "{%- else -%}{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
GUARD_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- ('<|answer|>' if message['role'] == 'assistant' else '<|question|>') + message['content'] -}}"
    "{%- endfor -%}"
    "{{- '<|verdict|>' -}}"
)


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """The id of a token that the vocabulary holds."""
    found = tokenizer.get_vocab().get(token)
    if found is None:
        raise AssertionError(f"{token!r} is not one token")
    return found


def _byte_level_bpe(texts: Iterable[str], size: int, special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def make_chat_tokenizer(texts: Iterable[str], size: int = 1280) -> PreTrainedTokenizerFast:
    """The tokenizer of the chat models: every verb of the world is one token, whether alignment sees it or not."""
    special = [PAD, END, SYSTEM, USER, ASSISTANT]
    return PreTrainedTokenizerFast(
        tokenizer_object=_byte_level_bpe(texts, size, special),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=special[2:],
        padding_side="left",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def make_guard_tokenizer(texts: Iterable[str], size: int = 352) -> PreTrainedTokenizerFast:
    """The guard's tokenizer: two characters a token; `safe` and `unsafe` are one token each."""
    special = [PAD, END, QUESTION, ANSWER, VERDICT]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_byte_level_bpe(texts, size, special),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=special[2:],
        padding_side="left",
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
        chat_template=GUARD_TEMPLATE,
    )
    for verdict in VERDICTS:
        token_id(tokenizer, verdict)
    return tokenizer
