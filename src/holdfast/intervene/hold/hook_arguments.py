"""Arguments that transformers' trainer gives to the hooks of a callback, beside its settings and its state."""

from typing import NotRequired, TypedDict

import torch
from transformers import PreTrainedModel


class HookArguments(TypedDict):
    """Arguments that our callbacks use. The trainer gives others too."""

    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    """Missing when the trainer is made, unless it was given one."""
    logs: NotRequired[dict[str, float]]
    """Numbers that the trainer logs. Given to `on_log` alone."""
