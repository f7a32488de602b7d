"""Shapes of the parts of logs that are read. A log is checked once, as it is read, and a wrong part is named.

A shape is a type, a list [shape], a dict of shapes by key, `Each(shape)` for a dict with any keys, `object` for
anything, or a tuple of alternatives, of which the first that has the kind of the value is meant. None stands for null,
and for a key that may be missing. Keys that no shape names are not looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True)
class Each:
    """An object with any keys, whose values all have one shape."""

    shape: "Shape"


Shape: TypeAlias = "type | Each | list[Shape] | Mapping[str, Shape] | tuple[Shape, ...] | None"
KINDS: Mapping[type, str] = {int: "a whole number", str: "a text", dict: "an object", list: "a list", bool: "a bool"}

MAYBE_TEXT, MAYBE_OBJECT, MAYBE_LIST = (str, None), (dict, None), (list, None)
INSPECT_HEADER: Shape = {
    "eval": {"model": MAYBE_TEXT, "packages": MAYBE_OBJECT, "model_generate_config": MAYBE_OBJECT},
    "plan": ({"config": MAYBE_OBJECT, "steps": ([{"params": MAYBE_OBJECT}], None)}, None),
    "results": MAYBE_OBJECT,
}
INSPECT_SAMPLE: Shape = {
    "epoch": (int, None),
    "input": (str, [dict], None),
    "messages": ([dict], None),
    "output": ({"completion": MAYBE_TEXT}, None),
    "scores": (Each(({"value": object}, None)), None),
}
LM_EVAL_RESULTS: Shape = {
    "n-samples": (Each({"effective": object}), None),
    "configs": (Each(dict), None),
    "versions": MAYBE_OBJECT,
    "n-shot": MAYBE_OBJECT,
    "model_name": MAYBE_TEXT,
}
LM_EVAL_ROW: Shape = {"metrics": ([str], None)}
GARAK_ATTEMPT: Shape = {
    "probe_classname": str,
    "prompt": (str, {"turns": [{"role": str, "content": {"text": MAYBE_TEXT}}]}),
    "outputs": MAYBE_LIST,
    "detector_results": Each(list),
}
GARAK_EVAL: Shape = {"probe": str, "detector": str, "passed": int, "total_processed": (int, None)}


def require_shape(path: Path, program: str, value: object, shape: Shape, place: str = "") -> None:
    """Raises ValueError with the file, the place and the value when a part of a log has another shape."""
    if wrong := _find_wrong(value, shape, place):
        raise ValueError(
            f"{str(path)!r} is a log of {program} in which {wrong}; give a log as {program} writes it, or correct that "
            "place."
        )


def _find_wrong(value: object, shape: Shape, place: str) -> str | None:
    """Describes the first part that has another shape. None if there is none."""
    if isinstance(shape, tuple):
        meant = next((one for one in shape if _is_kind(value, one)), None)
        if meant is None and value is not None:
            kinds = " or ".join(_kind(one) for one in shape if one is not None)
            return f"{place or 'the whole'} is {_shown(value)}, and should be {kinds}"
        return _find_wrong(value, meant, place)
    if not _is_kind(value, shape):
        has = "is missing" if value is None else f"is {_shown(value)}"
        return f"{place or 'the whole'} {has}, and should be {_kind(shape)}"
    return next(filter(None, (_find_wrong(*part) for part in _parts(value, shape, place))), None)


def _parts(value: object, shape: Shape, place: str) -> list[tuple[object, Shape, str]]:
    """Lists the parts of a value with their shapes and places."""
    before = f"{place}." if place else ""
    if isinstance(shape, list) and isinstance(value, list):
        return [(part, shape[0], f"{place}[{number}]") for number, part in enumerate(value)]
    if isinstance(shape, Each) and isinstance(value, Mapping):
        return [(part, shape.shape, f"{before}{key}") for key, part in value.items()]
    if isinstance(shape, Mapping) and isinstance(value, Mapping):
        return [(value.get(key), part, f"{before}{key}") for key, part in shape.items()]
    return []


def _is_kind(value: object, shape: Shape) -> bool:
    kind = _type(shape)
    if kind is None:
        return value is None
    return isinstance(value, kind) and (kind is object or not isinstance(value, bool) or kind is bool)


def _type(shape: Shape) -> type | None:
    if isinstance(shape, list):
        return list
    return dict if isinstance(shape, Each | Mapping) else shape if isinstance(shape, type) else None


def _kind(shape: Shape) -> str:
    return KINDS.get(_type(shape) or object, "something")


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]} ..."
