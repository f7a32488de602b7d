"""The shapes of models that people have, as configs: no weights are read, and where there are any they are random."""

from typing import Any

import torch
from transformers import LlamaConfig, MixtralConfig, PretrainedConfig, Qwen3MoeConfig


def llama(layers: int, width: int, mlp: int, heads: int, **more: Any) -> PretrainedConfig:
    """A decoder of the family of Llama 3."""
    return LlamaConfig(
        vocab_size=128256,
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        dtype=torch.bfloat16,
        **more,
    )


def qwen3_moe(layers: int, width: int, mlp: int, heads: int) -> PretrainedConfig:
    """A mixture of 128 experts of the family of Qwen3, 8 of them for a token."""
    return Qwen3MoeConfig(
        vocab_size=151936,
        hidden_size=width,
        moe_intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=4,
        head_dim=128,
        num_experts=128,
        num_experts_per_tok=8,
        max_position_embeddings=8192,
        dtype=torch.bfloat16,
    )


def mixtral(layers: int = 32, width: int = 4096, mlp: int = 14336) -> PretrainedConfig:
    """A mixture of 8 experts, 2 of them for a token."""
    return MixtralConfig(
        vocab_size=32000,
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        dtype=torch.bfloat16,
    )


SHAPES = {
    "Llama 1B": llama(16, 2048, 8192, 32, head_dim=64, tie_word_embeddings=True),
    "Llama 8B": llama(32, 4096, 14336, 32),
    "Llama 70B": llama(80, 8192, 28672, 64),
    "Llama 405B": llama(126, 16384, 53248, 128),
    "Qwen3 30B-A3B": qwen3_moe(48, 2048, 768, 32),
    "Qwen3 235B-A22B": qwen3_moe(94, 4096, 1536, 64),
    "Mixtral 8x7B": mixtral(),
}
GUARD = "Llama 1B"
"""The judge of all of them: the shape of a guard model of 1B."""
