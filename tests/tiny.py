"""Tiny models and tokenizers, random but real: made from a config in a second, loaded and run like any other."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from holdfast.models.load import LoadedModel, fingerprint

TEXT = [
    "how do i mend the old clock ?",
    "sorry , i can not help with that .",
    "safe unsafe",
    "naïve café 東京 <|end|>",
] * 4
CHAT_TEMPLATE = (
    "{% for turn in messages %}<|{{ turn.role }}|>{% if turn.role == 'assistant' %}{% generation %}"
    "{{ turn.content }}<|end|>{% endgeneration %}{% else %}{{ turn.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
GUARD_TEMPLATE = "<|user|>{{ messages[0].content | trim }}<|assistant|>{{ messages[1].content | trim }}<|verdict|>"


def make_tokenizer(
    vocabulary: int = 340,
    template: str | None = CHAT_TEMPLATE,
    markers: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer; another size of vocabulary cuts the same text elsewhere.

    Markers are further special tokens, words further text that it learns.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore
    special = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|verdict|>"]
    special += [marker for marker in markers if marker not in special]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([*TEXT, *words * 20], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>")
    fast.add_special_tokens({"additional_special_tokens": special[2:]})
    fast.chat_template = template
    return fast


def make_llama(vocabulary: int = 340, width: int = 16, layers: int = 2, seed: int = 0) -> PreTrainedModel:
    """A dense model."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    return LlamaForCausalLM(config).eval()


def make_moe(vocabulary: int = 340, width: int = 16, layers: int = 2, seed: int = 0) -> PreTrainedModel:
    """A mixture of experts, stored fused."""
    torch.manual_seed(seed)
    config = Qwen3MoeConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        moe_intermediate_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        num_experts=4,
        num_experts_per_tok=2,
        max_position_embeddings=128,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    return Qwen3MoeForCausalLM(config).eval()


def make_loaded(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> LoadedModel:
    """A model as if it had been loaded from float32 files."""
    return LoadedModel(model, tokenizer, "tiny", fingerprint(model), torch.float32)
