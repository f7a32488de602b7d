"""What benchmarks of training measure on: a random decoder, and a random mask of its weights."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from holdfast.models.sites import scored_sites
from holdfast.values import Mask


def make_decoder(num_layers: int) -> LlamaForCausalLM:
    """7M weights a layer; a small vocabulary, so that nearly all weights could be selected."""
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=num_layers,
        num_attention_heads=12,
        num_key_value_heads=12,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    return LlamaForCausalLM(config)


def random_mask(model: PreTrainedModel, fraction: float) -> Mask:
    """About this share of the entries of every scored matrix."""
    generator = torch.Generator().manual_seed(0)
    shapes = {site.name: site.shape for site in scored_sites(model)}
    indices = {
        name: (torch.rand(shape, generator=generator) < fraction).view(-1).nonzero().flatten()
        for name, shape in shapes.items()
    }
    return Mask(indices, shapes, "", model.num_parameters())
