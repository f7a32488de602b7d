"""Paths of the built-in models and prompt sets, which `holdfast.testbed` makes."""

from pathlib import Path

from holdfast.spelling import meant

_ROOT = Path(__file__).parent / "testbed"
_MODELS = ("aligned", "unaligned", "aligned-moe", "guard")
PROMPT_SETS = {
    "borderline": "evaluation",
    "guard_broken": "evaluation",
    "guard_evaluation": "evaluation",
    "harmful_calibration": "calibration",
    "harmful_development": "evaluation",
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
"""Use of every set: calibration for prompts that make scores, training for exchanges, evaluation for measurements."""


def model_path(name: str) -> Path:
    """Path of the Hugging Face folder of a built-in model."""
    if name not in _MODELS:
        raise ValueError(f"no built-in model is called {name!r}; {meant(name, _MODELS)}.")
    return _ROOT / "weights" / name


def given_name(name: str) -> str:
    """Returns the name by which a user gives a model: testbed:NAME for the folder of a built-in one."""
    folder = Path(name)
    return f"testbed:{folder.name}" if folder.parent == _ROOT / "weights" else name


def prompts_path(name: str) -> Path:
    """Path of the JSON Lines file of a built-in prompt set."""
    if name not in PROMPT_SETS:
        raise ValueError(f"no built-in prompt set is called {name!r}; {meant(name, PROMPT_SETS, uses=PROMPT_SETS)}.")
    return _ROOT / "prompts" / f"{name}.jsonl"
