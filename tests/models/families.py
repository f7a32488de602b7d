"""Every family that is tested, as data: what its tiny config is, what of it is scored, and what is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

TOKENS = {"vocab_size": 340, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1}
# k_proj has 4 * 2 outputs and there are 8 experts: a router can't be known by its number of outputs alone.
SMALL = TOKENS | {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 128,
}
MOE = SMALL | {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 12}
LOCAL_MOE = SMALL | {"num_local_experts": 8, "num_experts_per_tok": 2}
DEEPSEEK = SMALL | {
    "num_key_value_heads": 4,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 12,
    "n_shared_experts": 1,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "q_lora_rank": 12,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 4,
    "v_head_dim": 5,
}
DBRX = TOKENS | {
    "d_model": 16,
    "n_heads": 4,
    "n_layers": 2,
    "max_seq_len": 128,
    "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 1e4},
    "ffn_config": {
        "hidden_size": 16,
        "ffn_hidden_size": 12,
        "moe_num_experts": 8,
        "moe_top_k": 2,
        "ffn_act_fn": {"name": "silu"},
    },
}
FALCON = TOKENS | {
    "hidden_size": 16,
    "ffn_hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_kv_heads": 2,
    "new_decoder_architecture": True,
}
JAMBA = MOE | {
    "attn_layer_period": 2,
    "attn_layer_offset": 1,
    "expert_layer_period": 2,
    "expert_layer_offset": 1,
    "mamba_d_state": 4,
}
TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}

ATTENTION = {"q_proj": 1, "k_proj": 1, "v_proj": 1, "o_proj": 1}
GATED = {"gate_proj": 1, "up_proj": 1, "down_proj": 1}
EXPERTS = {"experts.gate_up_proj": 16, "experts.down_proj": 8}
WORDS = {"embedding": "embed_tokens", "head": "lm_head"}
TIED_WORDS = {"embedding": "embed_tokens"}
NORMS = {"norm": "input_layernorm post_attention_layernorm norm"}
QK_NORMS = {"norm": "input_layernorm post_attention_layernorm norm q_norm k_norm"}
GEMMA_NORMS = NORMS["norm"] + " pre_feedforward_layernorm post_feedforward_layernorm"
LAYER_NORMS = "input_layernorm post_attention_layernorm"
DENSE = "query_key_value dense dense_h_to_4h dense_4h_to_h"


def gated(block: str) -> dict[str, int]:
    """The matrices of a gated MLP whose names others share."""
    return {f"{block}.{name}": 1 for name in GATED}


@dataclass(frozen=True)
class Family:
    """A model type of transformers, tiny, and what is to be found in it."""

    name: str
    config: Mapping[str, Any]
    matrices: Mapping[str, int]
    """Scored components, and how many matrices one tensor of each holds."""
    excluded: Mapping[str, str]
    """By role, the components that are not scored."""


FAMILIES = [
    Family("llama", SMALL, ATTENTION | GATED, WORDS | NORMS),
    Family("mistral", SMALL, ATTENTION | GATED, WORDS | NORMS),
    Family("qwen2", SMALL, ATTENTION | GATED, WORDS | NORMS | {"bias": "q_proj k_proj v_proj"}),
    Family("qwen3", SMALL, ATTENTION | GATED, WORDS | QK_NORMS),
    Family("gemma2", SMALL, ATTENTION | GATED, TIED_WORDS | {"norm": GEMMA_NORMS}),
    Family("gemma3_text", SMALL, ATTENTION | GATED, TIED_WORDS | {"norm": GEMMA_NORMS + " q_norm k_norm"}),
    Family(
        "olmo2",
        SMALL,
        ATTENTION | GATED,
        WORDS | {"norm": "post_attention_layernorm post_feedforward_layernorm norm q_norm k_norm"},
    ),
    Family(
        "phi3",
        SMALL,
        {"qkv_proj": 3, "o_proj": 1, "gate_up_proj": 2, "down_proj": 1},
        WORDS | NORMS,
    ),
    Family(
        "gpt2",
        SMALL | {"n_inner": 24},
        {"attn.c_attn": 3, "attn.c_proj": 1, "mlp.c_fc": 1, "mlp.c_proj": 1},
        {
            "embedding": "wte wpe",
            "norm": "ln_1 ln_2 ln_f",
            "bias": "attn.c_attn attn.c_proj mlp.c_fc mlp.c_proj ln_1 ln_2 ln_f",
        },
    ),
    Family(
        "gpt_neox",
        SMALL,
        {"query_key_value": 3, "dense": 1, "dense_h_to_4h": 1, "dense_4h_to_h": 1},
        {
            "embedding": "embed_in",
            "head": "lm_head",
            "norm": f"{LAYER_NORMS} final_layer_norm",
            "bias": f"{DENSE} {LAYER_NORMS} final_layer_norm",
        },
    ),
    Family(
        "falcon",
        FALCON,
        {"query_key_value": 3, "dense": 1, "dense_h_to_4h": 1, "dense_4h_to_h": 1},
        {"embedding": "word_embeddings", "norm": "ln_attn ln_mlp ln_f", "bias": "ln_attn ln_mlp ln_f"},
    ),
    Family("mixtral", LOCAL_MOE, ATTENTION | EXPERTS, WORDS | NORMS | {"router": "gate"}),
    Family(
        "qwen2_moe",
        MOE | {"shared_expert_intermediate_size": 20},
        ATTENTION | EXPERTS | gated("shared_expert"),
        WORDS | NORMS | {"bias": "q_proj k_proj v_proj", "router": "gate shared_expert_gate"},
    ),
    Family("qwen3_moe", MOE, ATTENTION | EXPERTS, WORDS | QK_NORMS | {"router": "gate"}),
    Family("olmoe", MOE, ATTENTION | EXPERTS, WORDS | QK_NORMS | {"router": "gate"}),
    Family(
        "phimoe",
        LOCAL_MOE,
        ATTENTION | EXPERTS,
        WORDS | NORMS | {"bias": NORMS["norm"], "router": "router"},
    ),
    Family("granitemoe", LOCAL_MOE, ATTENTION | EXPERTS, WORDS | NORMS | {"router": "router"}),
    Family(
        "granitemoeshared",
        LOCAL_MOE | {"shared_intermediate_size": 20},
        ATTENTION | EXPERTS | {"input_linear": 2, "output_linear": 1},
        WORDS | NORMS | {"router": "router"},
    ),
    Family(
        "deepseek_v3",
        DEEPSEEK,
        EXPERTS
        | gated("mlp")
        | gated("shared_experts")
        | {"q_a_proj": 1, "q_b_proj": 1, "kv_a_proj_with_mqa": 2, "kv_b_proj": 2, "o_proj": 1},
        WORDS | {"norm": NORMS["norm"] + " q_a_layernorm kv_a_layernorm", "router": "mlp.gate"},
    ),
    Family(
        "gpt_oss",
        LOCAL_MOE,
        ATTENTION | EXPERTS,
        WORDS
        | NORMS
        | {
            "bias": "q_proj k_proj v_proj o_proj router experts.gate_up_proj_bias experts.down_proj_bias",
            "router": "router",
            "other": "sinks",
        },
    ),
    Family(
        "llama4_text",
        LOCAL_MOE | {"intermediate_size_mlp": 20, "interleave_moe_layer_step": 2},
        ATTENTION | EXPERTS | gated("feed_forward") | gated("shared_expert"),
        WORDS | NORMS | {"router": "feed_forward.router"},
    ),
    Family(
        "dbrx",
        DBRX,
        {"Wqkv": 3, "out_proj": 1, "mlp.w1": 8, "mlp.v1": 8, "mlp.w2": 8},
        {"embedding": "wte", "head": "lm_head", "norm": "norm_1 norm_2 norm_f", "router": "layer"},
    ),
    Family(
        "jetmoe",
        LOCAL_MOE | {"kv_channels": 4},
        {
            "mlp.input_linear": 16,
            "mlp.output_linear": 8,
            "experts.input_linear": 8,
            "experts.output_linear": 8,
            "kv_proj": 2,
        },
        TIED_WORDS | NORMS | {"bias": "mlp experts", "router": "mlp.router.layer experts.router.layer"},
    ),
    Family(
        "jamba",
        JAMBA,
        ATTENTION | EXPERTS | gated("feed_forward") | {"in_proj": 1, "x_proj": 1, "dt_proj": 1, "out_proj": 1},
        WORDS
        | {
            "norm": "input_layernorm pre_ff_layernorm final_layernorm dt_layernorm b_layernorm c_layernorm",
            "bias": "conv1d dt_proj",
            "router": "feed_forward.router",
            "other": "A_log D conv1d",
        },
    ),
]

FAST = ("llama", "gemma3_text", "gpt2", "falcon", "qwen3_moe", "jamba")
"""A dense family, a tied one, one of learned positions, one of fused q, k and v, experts, and a recurrent one."""
EVERY = [pytest.param(one, id=one.name, marks=[] if one.name in FAST else [pytest.mark.slow]) for one in FAMILIES]
"""For sweeps: `make test` runs those of `FAST`, `make thorough` the others."""

WIDE = {"initializer_range": 0.4}
"""Weights far enough apart that no two tokens are nearly as likely."""
CONTINUED = {
    "opt": SMALL | {"word_embed_proj_dim": 16, "ffn_dim": 24, "init_std": 0.4},
    "bloom": TOKENS | WIDE | {"hidden_size": 16, "n_layer": 2, "n_head": 4},
    "mpt": TOKENS | WIDE | {"d_model": 16, "n_heads": 4, "n_layers": 2, "max_seq_len": 128},
    "lfm2": SMALL | WIDE | {"layer_types": ["conv", "full_attention"]},
    "mamba": TOKENS | WIDE | {"hidden_size": 16, "state_size": 8, "num_hidden_layers": 2},
    "falcon_mamba": TOKENS | WIDE | {"hidden_size": 16, "state_size": 8, "num_hidden_layers": 2},
    "recurrent_gemma": TOKENS
    | {"hidden_size": 16, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "lru_width": 16}
    | {"attention_window_size": 16},
    "rwkv": TOKENS | {"hidden_size": 16, "attention_hidden_size": 16, "num_hidden_layers": 2, "context_length": 128},
    "smollm3": SMALL | WIDE,
}
"""Families beside those above that are only continued, by what they keep from token to token."""
STATE_SPACE = {"mamba_n_heads": 4, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8}
SLOWLY_CONTINUED = {
    "xlstm": TOKENS | {"hidden_size": 32, "num_heads": 2, "num_hidden_layers": 2},
    "mamba2": TOKENS
    | WIDE
    | {"hidden_size": 16, "state_size": 8, "num_hidden_layers": 2, "num_heads": 4, "head_dim": 8, "n_groups": 1},
    "falcon_h1": SMALL | WIDE | STATE_SPACE | {"mamba_d_ssm": 32},
    "qwen3_next": MOE
    | WIDE
    | {"num_hidden_layers": 4, "shared_expert_intermediate_size": 12, "linear_num_key_heads": 2}
    | {"linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8},
}


def make_family(family: Family) -> PreTrainedModel:
    """The tiny model, random by seed 0."""
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIG_MAPPING[family.name](**family.config)).eval()


def make_only_continued(name: str) -> PreTrainedModel:
    """A tiny model of the tables of families that are only continued."""
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIG_MAPPING[name](**(CONTINUED | SLOWLY_CONTINUED)[name])).eval()


def make_with_tower() -> PreTrainedModel:
    """Gemma 3 with its vision tower, which is as deep here as the language model, and larger."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING["gemma3"](text_config=dict(SMALL), vision_config=TOWER)
    return AutoModelForCausalLM.from_config(config).eval()
