"""Tiny random guards: each family's real architecture, and a template of the structure of its own, without its policy.

Turn markers, arguments, where the exchange stands and where the verdict follows are the family's; all else is left out.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    Llama4ForCausalLM,
    Llama4TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from holdfast.testbed.vocabulary import GUARD_TEMPLATE as TESTBED_TEMPLATE
from tests.tiny import make_tokenizer

VOCABULARY = 420
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}
WORDS = ("Safety: Safe", "Safety: Unsafe", "Safety: Controversial", "Yes No", "response: yes", "response: no", "score")
CATEGORIES = "<BEGIN UNSAFE CONTENT CATEGORIES>\n{code}: Harm.\n<END UNSAFE CONTENT CATEGORIES>\n\n"
CONVERSATION = (
    "<BEGIN CONVERSATION>\n\n{% for message in messages %}{% if message['role'] == 'user' %}{% set role = 'User' %}"
    "{% else %}{% set role = 'Agent' %}{% endif %}{{ role + ': ' + message['content'].strip() + '\n\n' }}{% endfor %}"
    "<END CONVERSATION>\n\nAnswer 'safe' or 'unsafe'."
)
IN_PARTS = CONVERSATION.replace(
    "{{ role + ': ' + message['content'].strip() + '\n\n' }}",
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ role + ': ' + part['text'] | trim + '\n\n' }}{% endfor %}",
)
GRANITE_TURNS = (
    "{% for message in messages %}<|start_of_role|>{{ message['role'] }}<|end_of_role|>{{ message['content'] }}"
    "<|end_of_text|>\n{% endfor %}"
)


@dataclass(frozen=True)
class Case:
    """A family's architecture and template."""

    config: Any
    template: str | None
    markers: tuple[str, ...]
    name: str = ""

    def tokenizer(self) -> PreTrainedTokenizerFast:
        tokenizer = make_tokenizer(VOCABULARY, self.template, self.markers, WORDS)
        tokenizer.name_or_path = self.name
        return tokenizer

    def model(self) -> PreTrainedModel:
        torch.manual_seed(0)
        kind = {
            LlamaConfig: LlamaForCausalLM,
            Llama4TextConfig: Llama4ForCausalLM,
            Qwen3Config: Qwen3ForCausalLM,
            Gemma2Config: Gemma2ForCausalLM,
            MistralConfig: MistralForCausalLM,
            GraniteConfig: GraniteForCausalLM,
        }[type(self.config)]
        return kind(self.config).eval()


LLAMA_3 = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
LLAMA_4 = ("<|begin_of_text|>", "<|header_start|>", "<|header_end|>", "<|eot|>")
GRANITE = ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>")
CASES = {
    "llama-guard-1": Case(
        LlamaConfig(**SIZES), f"[INST] {CATEGORIES.format(code='O1')}{CONVERSATION} [/INST]", ("<s>", "</s>")
    ),
    "llama-guard-2": Case(
        LlamaConfig(**SIZES), f"[INST] {CATEGORIES.format(code='S1')}{CONVERSATION} [/INST]", LLAMA_3
    ),
    "llama-guard-3": Case(
        LlamaConfig(**SIZES),
        f"<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{CATEGORIES.format(code='S1')}{IN_PARTS}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>",
        LLAMA_3,
    ),
    "llama-guard-4": Case(
        Llama4TextConfig(**SIZES, intermediate_size_mlp=32, moe_layers=[], attention_chunk_size=512),
        f"<|begin_of_text|><|header_start|>system<|header_end|>\n\n{CATEGORIES.format(code='S1')}{IN_PARTS}<|eot|>"
        "{% if add_generation_prompt %}<|header_start|>assistant<|header_end|>{% endif %}",
        LLAMA_4,
    ),
    "qwen3guard-gen": Case(
        Qwen3Config(**SIZES),
        f"<|im_start|>user\nSafe, Unsafe or Controversial?\n{CATEGORIES.format(code='S1')}"
        "<BEGIN CONVERSATION>\n{% for message in messages %}{{ message['role'] | upper }}: {{ message['content'] }}\n\n"
        "{% endfor %}<END CONVERSATION><|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ("<|im_start|>", "<|im_end|>"),
    ),
    "shieldgemma": Case(
        Gemma2Config(**SIZES, query_pre_attn_scalar=8, sliding_window=64, attn_implementation="eager"),
        "<bos>Policy.\n\n<start_of_turn>\nHuman Question: {{ messages[0]['content'] | trim }}\n<end_of_turn>\n"
        "{% if messages | length > 1 %}<start_of_turn>\nChatbot Response: {{ messages[1]['content'] | trim }}\n"
        "<end_of_turn>\n{% endif %}\n* {{ guideline }}\n\nYes or No?\n\n",
        ("<bos>", "<start_of_turn>", "<end_of_turn>"),
    ),
    "wildguard": Case(
        MistralConfig(**SIZES, sliding_window=None), None, ("<s>", "[INST]", "[/INST]"), "allenai/wildguard"
    ),
    "granite-guardian-3": Case(
        GraniteConfig(**SIZES, logits_scaling=8.0, embedding_multiplier=4.0),
        "<|start_of_role|>system<|end_of_role|>Is there {{ guardian_config['risk_name'] }}?<|end_of_text|>\n"
        f"{GRANITE_TURNS}{{% if add_generation_prompt %}}<|start_of_role|>assistant<|end_of_role|>{{% endif %}}",
        GRANITE,
    ),
    "granite-guardian-3.3": Case(
        GraniteConfig(**SIZES, logits_scaling=8.0, embedding_multiplier=4.0),
        "<|start_of_role|>judge_protocol<|end_of_role|>{{ guardian_config['criteria_id'] }}<|end_of_text|>\n"
        f"{GRANITE_TURNS}{{% if add_generation_prompt %}}<|start_of_role|>judge"
        "{% if not think %} no_think{% endif %}<|end_of_role|>{% endif %}",
        GRANITE,
    ),
    "testbed": Case(LlamaConfig(**SIZES), TESTBED_TEMPLATE, ("<|question|>", "<|answer|>")),
}


class InDouble(TorchFunctionMode):
    """Within it what models compute in float32 whatever their weights (norms, rotations, softmax) is float64."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        args = tuple(torch.float64 if value is torch.float32 else value for value in args)
        named = {key: torch.float64 if value is torch.float32 else value for key, value in (kwargs or {}).items()}
        return (torch.Tensor.double if func is torch.Tensor.float else func)(*args, **named)
