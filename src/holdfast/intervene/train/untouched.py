"""Restores a model, its tokenizer and the global random generators after a trainer has run."""

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from holdfast.models.load import LoadedModel, quiet_transformers
from holdfast.models.tables import pad_id_for


@contextmanager
def left_as_found(loaded: LoadedModel) -> Iterator[None]:
    """Restores what a trainer changes on the model and the tokenizer: a patched forward, token ids in the configs."""
    model, tokenizer = loaded.model, loaded.tokenizer
    configs = [vars(config) for config in (model.config, model.generation_config) if config is not None]
    before, attributes, pad_token = [dict(config) for config in configs], set(vars(model)), tokenizer.pad_token
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad_id_for(model, tokenizer))
    try:
        with _global_state_kept(model.device):
            yield
    finally:
        tokenizer.pad_token = pad_token
        for config, values in zip(configs, before, strict=True):
            config.clear()
            config.update(values)
        for name in set(vars(model)) - attributes:
            delattr(model, name)
        model.zero_grad(set_to_none=True)
        model.eval()


@contextmanager
def _global_state_kept(device: torch.device) -> Iterator[None]:
    """Restores the global generators that the trainer seeds, and hides its warnings about its own defaults."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = [device] if device.type == "cuda" else []
    try:
        with quiet_transformers(), torch.random.fork_rng(devices=devices), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
