"""Puts LoRA adapters on the matrices inside the layers for a fine-tuning, and removes them afterwards."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from holdfast.intervene.options import LoraOptions
from holdfast.models.sites import scorable_sites


@contextmanager
def adapters(model: PreTrainedModel, options: LoraOptions, seed: int) -> Iterator[PeftModel]:
    """Yields the model with new adapters. Afterwards they are gone, merged or not, and its weights can be trained as
    before.

    Raises:
        ValueError: a target is no linear layer of this model.
    """
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=options.rank,
        lora_alpha=options.alpha,  # pyright: ignore[reportArgumentType]  # a float scale, although annotated as int
        target_modules=target_modules(model, options),
    )
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT uses an old name of transformers
        torch.manual_seed(seed)
        adapted = get_peft_model(model, config)
    assert isinstance(adapted, PeftModel)
    try:
        yield adapted
    finally:
        if any(isinstance(module, BaseTunerLayer) for module in model.modules()):
            adapted.unload()
        vars(model).pop("peft_config", None)  # older releases of PEFT leave it
        for weight in trained:
            weight.requires_grad_(True)


def target_modules(model: PreTrainedModel, options: LoraOptions) -> list[str]:
    """Returns the full names of the target matrices, so that no module outside the layers matches by a short name.

    Raises:
        ValueError: a target is no linear layer of this model.
    """
    owners = {site.name.removesuffix(".weight"): site.component for site in scorable_sites(model)}
    modules = dict(model.named_modules())
    linear = {name: word for name, word in owners.items() if isinstance(modules.get(name), nn.Linear | Conv1D)}
    if unknown := sorted(set(options.targets) - set(linear.values())):
        raise ValueError(
            f"lora.targets: {type(model).__name__} has no linear layer {unknown[0]!r}; "
            f"it has {', '.join(sorted(set(linear.values())))}."
        )
    return [name for name, word in linear.items() if word in options.targets or not options.targets]
