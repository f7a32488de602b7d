"""Paths of the built-in models and prompt sets, which `testbed` makes."""

from pathlib import Path

from holdfast.spelling import meant

_ROOT = Path(__file__).parent / "testbed"
_MODELS = ("aligned", "unaligned", "aligned-moe", "guard")
PROMPT_SETS = {
    "borderline": "evaluation",
    "guard_evaluation": "evaluation",
    "harmful_calibration": "calibration",
    "harmful_heldout": "evaluation",
    "harmful_seen": "evaluation",
    "harmless": "evaluation",
    "harmless_exchanges": "training",
    "questions": "evaluation",
    "questions_calibration": "calibration",
    "refusals": "training",
    "task_evaluation": "evaluation",
    "task_train": "training",
}
"""What each is for: prompts that make scores, exchanges to train on, or prompts that judge what came of both."""


def model_path(name: str) -> Path:
    """The Hugging Face folder of a built-in model."""
    if name not in _MODELS:
        raise ValueError(f"no built-in model is called {name!r}; {meant(name, _MODELS)}.")
    return _ROOT / "weights" / name


def prompts_path(name: str) -> Path:
    """The JSON Lines file of a built-in prompt set."""
    if name not in PROMPT_SETS:
        raise ValueError(f"no built-in prompt set is called {name!r}; {meant(name, PROMPT_SETS, uses=PROMPT_SETS)}.")
    return _ROOT / "prompts" / f"{name}.jsonl"
