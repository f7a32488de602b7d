"""The built-in models and prompts, for demonstrations and tests without a network.

Results on these models test the machinery and are no evidence about large models.
"""

from pathlib import Path

from holdfast.spelling import meant

_ROOT = Path(__file__).parent
_MODELS = ("aligned", "unaligned", "aligned-moe", "guard")
PROMPT_SETS = (
    "borderline",
    "guard_evaluation",
    "harmful_calibration",
    "harmful_heldout",
    "harmful_seen",
    "harmless",
    "harmless_exchanges",
    "questions",
    "questions_calibration",
    "refusals",
    "task_evaluation",
    "task_train",
)


def model_path(name: str) -> Path:
    """The Hugging Face folder of a built-in model."""
    return _ROOT / "weights" / _known(name, _MODELS, "model")


def prompts_path(name: str) -> Path:
    """The JSON Lines file of a built-in prompt set."""
    return _ROOT / "prompts" / f"{_known(name, PROMPT_SETS, 'prompt set')}.jsonl"


def _known(name: str, names: tuple[str, ...], noun: str) -> str:
    if name not in names:
        raise ValueError(f"no built-in {noun} is called {name!r}; {meant(name, names)}.")
    return name
