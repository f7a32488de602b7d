"""Evaluates a checkpoint, and compares two evaluations.

Import with `from holdfast.evaluate import evaluate, compare, Suite`. Each name is loaded at its first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.evaluate.comparing import compare
    from holdfast.evaluate.suite import Suite, evaluate

_HOMES = {"Suite": "suite", "compare": "comparing", "evaluate": "suite"}

__all__ = ["Suite", "compare", "evaluate"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'holdfast.evaluate' has no attribute {name!r}")
    return getattr(import_module(f"holdfast.evaluate.{_HOMES[name]}"), name)
