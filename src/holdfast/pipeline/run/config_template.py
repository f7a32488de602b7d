"""Writes a config as commented TOML: every setting with its meaning. Settings at their default are comments."""

import json
from collections.abc import Iterator
from textwrap import wrap
from types import UnionType
from typing import get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from holdfast.config import Options

WIDTH = 110
"""Most characters in a line of comment."""


def to_toml(options: Options) -> str:
    """Writes options as TOML that `load_config` reads back. A table's settings come before the tables within it."""
    return "\n".join(_table(type(options), options, ())) + "\n"


def _table(kind: type[Options], options: Options | None, place: tuple[str, ...]) -> Iterator[str]:
    """Yields the lines of one table. Without options, all lines are comments."""
    inner: list[tuple[str, FieldInfo, type[Options]]] = []
    for name, field in kind.model_fields.items():
        if table := _options_in(field.annotation):
            inner.append((name, field, table))
            continue
        yield from _comment(field.description or "")
        yield _setting(name, field, PydanticUndefined if options is None else getattr(options, name))
    for name, field, table in inner:
        value = None if options is None else getattr(options, name)
        path = (*place, name)
        yield ""
        yield from _comment(field.description or "")
        yield f"{'# ' if value is None else ''}[{'.'.join(path)}]"
        yield from _table(table, value, path)


def _setting(name: str, field: FieldInfo, value: object) -> str:
    default = None if field.default is PydanticUndefined else field.default
    if value is PydanticUndefined or value == default:
        return f"# {name} = {_literal(default)}" if default is not None else f"# {name} is not set"
    return f"{name} = {_literal(value)}"


def _literal(value: object) -> str:
    """Writes a value as TOML. Strings, numbers, booleans and lists of them look as in JSON."""
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> list[str]:
    """Wraps a docstring. Each item of a list in it starts a line of its own."""
    paragraph, *items = text.split("\n- ")
    lines = wrap(" ".join(paragraph.split()), WIDTH)
    for item in items:
        lines += wrap(f"- {' '.join(item.split())}", WIDTH, initial_indent="  ", subsequent_indent="    ")
    return [f"# {line}" for line in lines]


def _options_in(annotation: object) -> type[Options] | None:
    """Returns the options class of a field that may hold options. None for a field that holds a value."""
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Options)), None)
