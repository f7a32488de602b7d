"""Chat templates in the manner of public families, in short form, with their special tokens."""

from transformers import PreTrainedTokenizerFast

from tests.tiny import make_tokenizer

MARKERS = ("<|im_start|>", "<|im_end|>", "<bos>", "[INST]", "[/INST]", "</s>")

QWEN3 = (
    "{%- for turn in messages -%}{%- if turn.role == 'assistant' -%}"
    "{%- set said = turn.content -%}{%- set thought = '' -%}"
    "{%- if '</think>' in said -%}"
    "{%- set thought = said.split('</think>')[0].replace('<think>', '').strip() -%}"
    "{%- set said = said.split('</think>')[-1].strip() -%}{%- endif -%}"
    "{{- '<|im_start|>assistant\n<think>\n' + thought + '\n</think>\n\n' + said + '<|im_end|>\n' -}}"
    "{%- else -%}{{- '<|im_start|>' + turn.role + '\n' + turn.content + '<|im_end|>\n' -}}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}"
    "{%- if enable_thinking is defined and enable_thinking is false -%}{{- '<think>\n\n</think>\n\n' -}}{%- endif -%}"
    "{%- endif -%}"
)
"""Puts a block of thoughts into every finished turn, and moves the turn's own there."""
OPENING = (
    "{%- for turn in messages -%}{{- '<|im_start|>' + turn.role + '\n' + turn.content + '<|im_end|>\n' -}}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n<think>\n' -}}{%- endif -%}"
)
"""Opens a block of thoughts where the model goes on, and in no finished turn."""
DEEPSEEK_R1 = (
    "{{- '<bos>' -}}{%- for turn in messages -%}{%- if turn.role == 'user' -%}{{- '<|user|>' + turn.content -}}"
    "{%- else -%}{{- '<|assistant|>' + turn.content.split('</think>')[-1] + '<|end|>' -}}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|><think>\n' -}}{%- endif -%}"
)
"""Opens a block of thoughts, and drops those of finished turns."""
GEMMA = (
    "{{- '<bos>' -}}{%- for turn in messages -%}"
    "{%- if turn.role == 'system' -%}{{- raise_exception('System role not supported') -}}{%- endif -%}"
    "{{- '<|im_start|>' + ('model' if turn.role == 'assistant' else turn.role) + '\n' + turn.content | trim -}}"
    "{{- '<|im_end|>\n' -}}{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>model\n' -}}{%- endif -%}"
)
"""Trims turns."""
LLAMA3 = (
    "{{- '<bos>' -}}{%- if not date_string is defined -%}"
    "{%- set date_string = strftime_now('%d %b %Y') -%}{%- endif -%}"
    "{{- '<|system|>Today Date: ' + date_string + '\n\n<|end|>' -}}{%- for turn in messages -%}"
    "{{- '<|' + turn.role + '|>\n\n' + turn.content | trim + '<|end|>' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>\n\n' -}}{%- endif -%}"
)
"""Writes the date, and trims turns."""
MISTRAL = (
    "{{- '<bos>' -}}{%- for turn in messages -%}{%- if turn.role == 'user' -%}"
    "{{- '[INST] ' + turn.content + ' [/INST]' -}}{%- else -%}{{- ' ' + turn.content + ' </s>' -}}{%- endif -%}"
    "{%- endfor -%}"
)
"""Writes blanks around an answer, and nothing where the model goes on."""
FAMILIES = {
    "qwen3": QWEN3,
    "opening": OPENING,
    "deepseek_r1": DEEPSEEK_R1,
    "gemma": GEMMA,
    "llama3": LLAMA3,
    "mistral": MISTRAL,
}


def tokenizer_with(template: str | None) -> PreTrainedTokenizerFast:
    """A tiny tokenizer with this template and all markers."""
    return make_tokenizer(template=template, markers=MARKERS)
