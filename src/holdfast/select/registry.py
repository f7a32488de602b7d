"""Registry of the selectors by the name that `--selector` takes, each with its options."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from holdfast.registry import Registry
from holdfast.select.universe import PartOptions
from holdfast.values import Mask


@dataclass(frozen=True)
class Selector:
    """A method that makes a mask from scores."""

    select: Callable[..., Mask]
    """The function: it takes Scores and its own `options`, and by keyword `utility` Scores or a mask `like`."""
    options: type[PartOptions]
    """The model of its options. Any other option is an error."""
    needs_utility: bool = False
    """True where the selector needs utility scores."""
    takes_like: bool = False
    """True where the selector can match another mask's count in every tensor."""


MAKE_UTILITY = (
    "make them by `holdfast score MODEL --objective utility --prompts QUESTIONS --out utility.safetensors`, and add "
    "`--utility utility.safetensors`"
)
"""Advice on how to get utility scores."""
SELECTORS: Registry[Selector] = Registry("selector")


def find_selector(name: str, given: Collection[str]) -> Selector:
    """Finds a selector by name and checks that it takes every option given and that none is missing.

    Args:
        name: name of the selector.
        given: names of the options given, with `utility` and `like` among them where they are.

    Raises:
        ValueError: the selector is unknown, does not take one of the options, or needs one that is not given.
    """
    selector = SELECTORS[name]
    fields = selector.options.model_fields
    needed = [option for option, field in fields.items() if field.is_required()]
    needed += ["utility"] if selector.needs_utility else []
    taken = {*fields, *needed, *(["like"] if selector.takes_like else [])}
    if foreign := sorted(set(given) - taken):
        raise ValueError(f"selector {name!r} takes no {foreign[0]}; it takes {', '.join(sorted(taken))}.")
    missing = [option for option in needed if option not in given]
    if "utility" in missing:
        raise ValueError(f"selector {name!r} needs utility scores; {MAKE_UTILITY}.")
    if missing:
        raise ValueError(f"selector {name!r} needs {missing[0]}; give --{missing[0]}, or choose another selector.")
    return selector
