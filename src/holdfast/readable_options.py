"""Makes `help` and `inspect.signature` of a class of options show each setting's type, default and sentence.

Pydantic's own texts repeat the validators and the groups of the command line, over several pages.
"""

import inspect
import re
import textwrap
from functools import reduce
from operator import or_
from types import GenericAlias, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

SETTINGS = "Settings:\n"
"""Heading of the list of settings in a docstring."""
INDENT = " " * 4
MODULE = re.compile(r"\b(?:\w+\.)+(?=[A-Z])")
"""Modules before the name of a type, such as `pathlib.` in `pathlib.Path`."""


class ReadableKind(type(BaseModel)):
    """Class of option classes: `help` and completion list the names of the options, and not those of pydantic."""

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if not name.startswith("_") and not hasattr(BaseModel, name)]


def make_readable(kind: type[BaseModel]) -> None:
    """Gives a class of options a plain signature, and adds its settings to its docstring."""
    kind.__signature__ = plain_signature(kind)
    if settings := settings_of(kind):
        kind.__doc__ = f"{inspect.cleandoc(kind.__doc__ or '')}\n\n{SETTINGS}{settings}".lstrip()


def plain_signature(kind: type[BaseModel]) -> inspect.Signature:
    """Makes a signature of keywords with plain types. A setting that must be given has no default."""
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.is_required() else default_of(field),
                annotation=plain(field.annotation),
            )
            for name, field in kind.model_fields.items()
        ]
    )


def settings_of(kind: type[BaseModel]) -> str:
    """Lists the settings of a class: a line of name, type and default, and below it the setting's description."""
    lines = []
    for name, field in kind.model_fields.items():
        default = "" if field.is_required() else f" = {default_of(field)!r}"
        lines.append(f"{name}: {MODULE.sub('', inspect.formatannotation(plain(field.annotation)))}{default}")
        lines.append(textwrap.indent(field.description or "", INDENT))
    return textwrap.indent("\n".join(filter(None, lines)), INDENT)


def default_of(field: FieldInfo) -> object:
    """Returns the value that a setting has when it is left out."""
    return field.get_default(call_default_factory=True, validated_data={})


def plain(annotation: Any) -> Any:
    """Returns a type without the limits and marks that `Annotated` adds, at any depth."""
    kind, parts = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return plain(parts[0])
    if kind in (Union, UnionType):
        return reduce(or_, map(plain, parts))
    return GenericAlias(kind, tuple(map(plain, parts))) if kind in (tuple, list, dict) else annotation


def alternatives(annotation: Any) -> set[Any]:
    """Lists the plain types of which a value may have one: int and None for `int | None`, else the type itself."""
    whole = plain(annotation)
    return set(get_args(whole)) if get_origin(whole) in (Union, UnionType) else {whole}
