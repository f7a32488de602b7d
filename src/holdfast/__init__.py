"""holdfast finds the weights by which a language model holds on to its safety and holds them fast.

What scripts need is here by name, and imported when it is asked for. `evaluate` is a package of that name:
`from holdfast.evaluate import evaluate`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.artifacts import (
        load_evaluation,
        load_mask,
        load_patch,
        load_scores,
        save_evaluation,
        save_mask,
        save_patch,
        save_scores,
    )
    from holdfast.evaluate.comparing import compare
    from holdfast.evaluate.suite import Suite
    from holdfast.intervene.adapt import adapt
    from holdfast.intervene.callback import ProtectCallback
    from holdfast.intervene.enhance import enhance
    from holdfast.intervene.lora import load_protected, merge_protected, protect_lora, save_protected
    from holdfast.intervene.options import AdaptOptions, EnhanceOptions, LoraOptions
    from holdfast.intervene.patch import apply_patch, revert_patch
    from holdfast.intervene.perturb import perturbed
    from holdfast.intervene.probe import SafetyProbe
    from holdfast.intervene.protect import protect
    from holdfast.intervene.train_only import train_only
    from holdfast.judge.refusal import RefusalJudge
    from holdfast.models.load import LoadedModel, load_model
    from holdfast.models.options import GenerateOptions
    from holdfast.models.sites import list_sites
    from holdfast.pipeline.checking import check_hold
    from holdfast.pipeline.config import ScoringOptions
    from holdfast.pipeline.judges import load_judge
    from holdfast.pipeline.probe import attack_success_probe, top_mask_refresh
    from holdfast.pipeline.scoring import score_likelihood, score_safety
    from holdfast.prompts.records import Exchange, Prompt
    from holdfast.prompts.sources import load_exchanges, load_prompts
    from holdfast.select.top import TopOptions, select_top
    from holdfast.values import Evaluation, Mask, Outcome, Patch, Rate, Scores

__version__ = "0.1.0"

_HOMES = {
    "AdaptOptions": "intervene.options",
    "EnhanceOptions": "intervene.options",
    "Evaluation": "values",
    "Exchange": "prompts.records",
    "GenerateOptions": "models.options",
    "LoadedModel": "models.load",
    "LoraOptions": "intervene.options",
    "Mask": "values",
    "Outcome": "values",
    "Patch": "values",
    "Prompt": "prompts.records",
    "ProtectCallback": "intervene.callback",
    "Rate": "values",
    "RefusalJudge": "judge.refusal",
    "SafetyProbe": "intervene.probe",
    "Scores": "values",
    "ScoringOptions": "pipeline.config",
    "Suite": "evaluate.suite",
    "TopOptions": "select.top",
    "adapt": "intervene.adapt",
    "apply_patch": "intervene.patch",
    "attack_success_probe": "pipeline.probe",
    "check_hold": "pipeline.checking",
    "compare": "evaluate.comparing",
    "enhance": "intervene.enhance",
    "list_sites": "models.sites",
    "load_evaluation": "artifacts",
    "load_exchanges": "prompts.sources",
    "load_judge": "pipeline.judges",
    "load_mask": "artifacts",
    "load_model": "models.load",
    "load_patch": "artifacts",
    "load_prompts": "prompts.sources",
    "load_protected": "intervene.lora",
    "load_scores": "artifacts",
    "merge_protected": "intervene.lora",
    "perturbed": "intervene.perturb",
    "protect": "intervene.protect",
    "protect_lora": "intervene.lora",
    "revert_patch": "intervene.patch",
    "save_evaluation": "artifacts",
    "save_mask": "artifacts",
    "save_patch": "artifacts",
    "save_protected": "intervene.lora",
    "save_scores": "artifacts",
    "score_likelihood": "pipeline.scoring",
    "score_safety": "pipeline.scoring",
    "select_top": "select.top",
    "top_mask_refresh": "pipeline.probe",
    "train_only": "intervene.train_only",
}

__all__ = [
    "AdaptOptions",
    "EnhanceOptions",
    "Evaluation",
    "Exchange",
    "GenerateOptions",
    "LoadedModel",
    "LoraOptions",
    "Mask",
    "Outcome",
    "Patch",
    "Prompt",
    "ProtectCallback",
    "Rate",
    "RefusalJudge",
    "SafetyProbe",
    "Scores",
    "ScoringOptions",
    "Suite",
    "TopOptions",
    "adapt",
    "apply_patch",
    "attack_success_probe",
    "check_hold",
    "compare",
    "enhance",
    "list_sites",
    "load_evaluation",
    "load_exchanges",
    "load_judge",
    "load_mask",
    "load_model",
    "load_patch",
    "load_prompts",
    "load_protected",
    "load_scores",
    "merge_protected",
    "perturbed",
    "protect",
    "protect_lora",
    "revert_patch",
    "save_evaluation",
    "save_mask",
    "save_patch",
    "save_protected",
    "save_scores",
    "score_likelihood",
    "score_safety",
    "select_top",
    "top_mask_refresh",
    "train_only",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    return getattr(import_module(f"holdfast.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
