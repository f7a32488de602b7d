"""Run a model's own `generate` under the caller's settings alone.

`generate` fills whatever its caller leaves unset from the generation config of the checkpoint: penalties, beams, cut
distributions, caches, stop strings. Each of these would change what is measured, unrecorded.
"""

from collections.abc import Iterator, Set
from contextlib import contextmanager

from torch import nn
from transformers import GenerationConfig, PreTrainedModel


@contextmanager
def plain_settings(model: PreTrainedModel, end_ids: Set[int]) -> Iterator[None]:
    """Leaves the model a generation config that holds end tokens and nothing else, and switches dropout off.

    Both are given back at the end, also after an exception. A model that is wrapped (by PEFT) keeps its config inside,
    so every module that has one gets the plain one.
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
