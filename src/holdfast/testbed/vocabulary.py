"""The two tokenizers of the testbed and their chat templates.

Both are byte-level BPE, so they encode any text. Their sizes differ, so their token boundaries differ too.
"""

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
QUESTION, ANSWER, VERDICT = "<|question|>", "<|answer|>", "<|verdict|>"
VERDICTS = ("safe", "unsafe", "broken")

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
    """Returns the id of a token, which the vocabulary must contain."""
    identifier = tokenizer.get_vocab().get(token)
    if identifier is None:
        raise AssertionError(f"{token!r} is not one token")
    return identifier


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
    """Makes the tokenizer of the chat models. Every verb of the world is one token, held-out verbs included."""
    return _tokenizer(texts, size, (SYSTEM, USER, ASSISTANT), CHAT_TEMPLATE, max_length=512)


def make_guard_tokenizer(texts: Iterable[str], size: int = 352) -> PreTrainedTokenizerFast:
    """Makes the guard's tokenizer, with about two characters per token. Every verdict is one token."""
    tokenizer = _tokenizer(texts, size, (QUESTION, ANSWER, VERDICT), GUARD_TEMPLATE, max_length=1024)
    for verdict in VERDICTS:
        token_id(tokenizer, verdict)
    return tokenizer


def _tokenizer(
    texts: Iterable[str], size: int, turns: Sequence[str], template: str, max_length: int
) -> PreTrainedTokenizerFast:
    """Trains a tokenizer of `size` tokens on texts. `turns` are the marks between the turns of its chat template."""
    return PreTrainedTokenizerFast(
        tokenizer_object=_byte_level_bpe(texts, size, [PAD, END, *turns]),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=list(turns),
        padding_side="left",
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
        chat_template=template,
    )
