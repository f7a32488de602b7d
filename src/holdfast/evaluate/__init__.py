"""Evaluates a checkpoint, and compares two evaluations.

Import with `from holdfast.evaluate import evaluate, compare, Suite`. Each name is loaded at its first use. The package
can also be called, because `from holdfast import evaluate` gives it to a script that means the function.
"""

import sys
from importlib import import_module
from types import ModuleType
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


class _Callable(ModuleType):
    """The package, which passes a call on to its function of the same name."""

    def __call__(self, *arguments: object, **options: object) -> object:
        return __getattr__("evaluate")(*arguments, **options)  # pyright: ignore[reportCallIssue]


sys.modules[__name__].__class__ = _Callable
