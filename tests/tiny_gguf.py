"""A GGUF file of a random Llama, made by the package gguf: plain or quantised, of any architecture's name."""

import pytest

TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *map(chr, range(33, 127)), "Ġ", "Ċ", "ab"]
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def tiny_gguf(path, *, width=16, quantised=None, architecture="llama", **metadata):
    """Two layers, and a vocabulary of 102. Returns the tensors as they are in the file before it is quantised.

    `quantised` names a form such as Q8_0, for all matrices whose rows have a multiple of 32 entries.
    """
    gguf, numpy = pytest.importorskip("gguf"), pytest.importorskip("numpy")
    writer, draw = gguf.GGUFWriter(str(path), architecture), numpy.random.default_rng(0)
    described = {
        "block_count": 2,
        "context_length": 64,
        "embedding_length": width,
        "feed_forward_length": 2 * width,
        "head_count": 2,
        "head_count_kv": 1,
        "rope_dimension_count": width // 2,
        "layer_norm_rms_eps": 1e-5,
        "vocab_size": len(TOKENS),
        "tokenizer_model": "gpt2",
        "token_list": TOKENS,
        "token_merges": ["a b"],
        "token_types": [3] * 3 + [1] * (len(TOKENS) - 3),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "chat_template": TEMPLATE,
    }
    for name, value in {**described, **metadata}.items():
        getattr(writer, f"add_{name}")(*(value if isinstance(value, tuple) else (value,)))
    tensors = {name: draw.standard_normal(shape).astype("float32") for name, shape in _shapes(width).items()}
    for name, tensor in tensors.items():
        form = getattr(gguf.GGMLQuantizationType, quantised) if quantised and tensor.ndim == 2 else None
        stored = tensor if form is None else gguf.quants.quantize(tensor, form)
        writer.add_tensor(name, stored, raw_dtype=form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def _shapes(width):
    shapes = {"token_embd": (len(TOKENS), width), "output_norm": (width,)}
    half, twice = width // 2, 2 * width
    for layer in range(2):
        parts = {"attn_q": (width, width), "attn_k": (half, width), "attn_v": (half, width)}
        parts |= {"attn_output": (width, width), "attn_norm": (width,), "ffn_norm": (width,)}
        parts |= {"ffn_gate": (twice, width), "ffn_up": (twice, width), "ffn_down": (width, twice)}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in parts.items()}
    return {f"{name}.weight": shape for name, shape in shapes.items()}
