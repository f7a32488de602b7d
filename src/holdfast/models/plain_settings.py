"""Runs a model's own `generate` under the caller's settings alone.

`generate` takes every setting that its caller leaves out from the generation config of the checkpoint: penalties,
beams, truncated distributions, caches, stop strings. Each would change the measurement without being recorded.
"""

from collections.abc import Iterator, Set
from contextlib import contextmanager

from torch import nn
from transformers import GenerationConfig, PreTrainedModel


@contextmanager
def plain_settings(model: PreTrainedModel, end_ids: Set[int]) -> Iterator[None]:
    """Gives the model a generation config of end tokens alone and switches dropout off, within the block.

    Both are restored at the end, also after an exception. A wrapped model (PEFT) keeps its config inside, so every
    module that has a config gets the plain one.
    """
    kept = [(module, module.generation_config) for module in model.modules() if "generation_config" in vars(module)]
    training = [module for module in model.modules() if module.training]
    plain = GenerationConfig(eos_token_id=sorted(end_ids) or None)
    try:
        for module, _ in kept:
            _give(module, plain)
        model.eval()
        yield
    finally:
        for module, config in kept:
            _give(module, config)
        for module in training:
            module.training = True


def _give(module: nn.Module, config: object) -> None:
    vars(module)["generation_config"] = config
