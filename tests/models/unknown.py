"""A family that nobody has seen: layers in a list of another name, linear maps of its own class, dtypes of its own."""

from types import SimpleNamespace

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

WIDTH = 16


class UnknownConfig(PreTrainedConfig):
    model_type = "unknown"


class OwnLinear(nn.Module):
    """Keeps its weight in a dtype of its own, computes in it and answers in the dtype that it was asked in."""

    def __init__(self, inputs: int, outputs: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(outputs, inputs).mul(inputs**-0.5).to(dtype))

    def forward(self, states):
        return nn.functional.linear(states.to(self.kernel.dtype), self.kernel).to(states.dtype)


class UnknownBlock(nn.Module):
    """Two experts as modules of their own, and what decides between them."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(WIDTH))
        self.experts = nn.ModuleList(OwnLinear(WIDTH, WIDTH, dtype) for _ in range(3))
        self.decides = OwnLinear(WIDTH, 3)
        self.mixes = OwnLinear(WIDTH, WIDTH)

    def forward(self, states):
        shares = self.decides(states).softmax(-1)
        mixed = sum(shares[..., at, None] * expert(states) for at, expert in enumerate(self.experts))
        return states + self.mixes(mixed * self.scale)


class UnknownModel(PreTrainedModel):
    config_class = UnknownConfig

    def __init__(self, config: UnknownConfig, dtypes: tuple[torch.dtype, ...]) -> None:
        super().__init__(config)
        self.words = nn.Embedding(340, WIDTH)
        self.tower = nn.ModuleList(UnknownBlock(dtype) for dtype in dtypes)
        self.says = nn.Linear(WIDTH, 340, bias=False)

    def get_output_embeddings(self):
        return self.says

    def forward(self, input_ids, **_):
        states = self.words(input_ids)
        for block in self.tower:
            states = block(states)
        return SimpleNamespace(logits=self.says(states))


def make_unknown(dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.bfloat16)) -> UnknownModel:
    """One layer for each dtype."""
    torch.manual_seed(0)
    return UnknownModel(UnknownConfig(), dtypes).eval()
