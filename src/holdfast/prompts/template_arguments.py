"""Reads arguments of a model's chat template from the model's name, and binds them to its tokenizer.

    MODEL#enable_thinking=false                    a folder, a hub id or testbed:NAME, and an argument of its template
    MODEL#enable_thinking=false&date_string=Today  several are joined by & (%26 stands for & in a value)

Values are read as JSON, else as text. The tokenizer gets them when it is loaded, so everything that renders a prompt
uses them. A saved checkpoint keeps its template unchanged, without them.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from jinja2 import meta
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from transformers import PreTrainedTokenizerBase

from holdfast.spelling import meant

OURS = frozenset({"messages", "add_generation_prompt", "tools", "documents", "strftime_now", "raise_exception"})
"""Variables that holdfast sets itself, or that single questions never need."""
GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
"""A tag that transformers adds and plain Jinja does not know."""
_BOUND = "holdfast_template_arguments"


def split_arguments(name: str) -> tuple[str, dict[str, object]]:
    """Splits a model's name at the # into the name itself and the arguments of its chat template.

    Raises:
        ValueError: an argument has no name or no value, or is given twice.
    """
    before, marked, given = name.rpartition("#")
    if not marked or Path(name).expanduser().exists():
        return name, {}
    pairs = [part.partition("=") for part in given.split("&")]
    if not before or not all(argument and value for argument, _, value in pairs):
        raise ValueError(
            f"the template arguments of the model {name!r} are written wrongly; write MODEL#NAME=VALUE, as in "
            "MODEL#enable_thinking=false, and join several by &."
        )
    arguments = {argument: _read(unquote(value)) for argument, _, value in pairs}
    if len(arguments) < len(pairs):
        raise ValueError(f"{name!r} gives a template argument twice; give each once.")
    return before, arguments


def with_arguments_of(model: str, name: str) -> str:
    """Returns the name of a model that was made from another, with the other's template arguments."""
    before, arguments = split_arguments(name)
    return model + name[len(before) :] if arguments else model


def bind_arguments(tokenizer: PreTrainedTokenizerBase, arguments: Mapping[str, object], name: str) -> None:
    """Binds these arguments to the tokenizer. Its template gets them from now on.

    Raises:
        ValueError: the template does not read one of them, or the model has none.
    """
    if not arguments:
        return
    template = getattr(tokenizer, "chat_template", None)
    if not template:
        raise ValueError(f"model {name!r} has no chat template to give arguments to; leave out what follows the #.")
    known = sorted(_read_by(tokenizer.get_chat_template()) - OURS)
    for argument in arguments:
        if argument not in known:
            advice = meant(argument, known) if known else "it reads none, so leave out what follows the #"
            raise ValueError(f"the chat template of {name!r} reads no argument {argument!r}; {advice}.")
    setattr(tokenizer, _BOUND, dict(arguments))


def arguments_of(tokenizer: PreTrainedTokenizerBase) -> Mapping[str, object]:
    """Returns the arguments that the tokenizer's template gets with every conversation."""
    return getattr(tokenizer, _BOUND, {})


def _read(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _read_by(template: str) -> set[str]:
    """Returns the variables that a template reads and does not set itself."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    return meta.find_undeclared_variables(environment.parse(GENERATION.sub("", template)))
