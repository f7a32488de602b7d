"""holdfast finds the weights by which a language model holds on to its safety and holds them fast.

What training scripts need is here by name, and imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.artifacts import load_mask
    from holdfast.intervene.callback import ProtectCallback
    from holdfast.intervene.lora import load_protected, merge_protected, protect_lora
    from holdfast.intervene.probe import SafetyProbe
    from holdfast.intervene.protect import protect
    from holdfast.intervene.train_only import train_only
    from holdfast.models.load import load_model
    from holdfast.models.options import GenerateOptions
    from holdfast.pipeline.judges import load_judge
    from holdfast.pipeline.probe import attack_success_probe, top_mask_refresh
    from holdfast.prompts.sources import load_exchanges, load_prompts

__version__ = "0.1.0"

_HOMES = {
    "GenerateOptions": "models.generate",
    "ProtectCallback": "intervene.callback",
    "SafetyProbe": "intervene.probe",
    "attack_success_probe": "pipeline.probe",
    "load_exchanges": "prompts.sources",
    "load_judge": "pipeline.judges",
    "load_mask": "artifacts",
    "load_model": "models.load",
    "load_prompts": "prompts.sources",
    "load_protected": "intervene.lora",
    "merge_protected": "intervene.lora",
    "protect": "intervene.protect",
    "protect_lora": "intervene.lora",
    "top_mask_refresh": "pipeline.probe",
    "train_only": "intervene.train_only",
}

__all__ = [
    "GenerateOptions",
    "ProtectCallback",
    "SafetyProbe",
    "attack_success_probe",
    "load_exchanges",
    "load_judge",
    "load_mask",
    "load_model",
    "load_prompts",
    "load_protected",
    "merge_protected",
    "protect",
    "protect_lora",
    "top_mask_refresh",
    "train_only",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    return getattr(import_module(f"holdfast.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
