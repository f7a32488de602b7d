"""The selectors by name: what `--selector` takes, and which options go with each."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from holdfast.registry import Registry
from holdfast.select.universe import PartOptions
from holdfast.values import Mask


@dataclass(frozen=True)
class Selector:
    """A way to cut a mask from scores."""

    select: Callable[..., Mask]
    """Takes Scores, its own `options`, and by name what it goes by beside them: `utility` Scores, or a mask `like`."""
    options: type[PartOptions]
    """The options that it takes; all others are refused."""
    needs_utility: bool = False
    """Whether it needs utility scores."""
    takes_like: bool = False
    """Whether it can be matched to another mask."""


SELECTORS: Registry[Selector] = Registry("selector")


def find_selector(name: str, given: Collection[str]) -> Selector:
    """The selector of that name, which takes everything that is given and needs nothing else.

    Args:
        name: The selector.
        given: Names of the options that are given, `utility` and `like` among them.

    Raises:
        ValueError: the selector is unknown, does not take one of the options, or misses one.
    """
    selector = SELECTORS[name]
    fields = selector.options.model_fields
    needed = [option for option, field in fields.items() if field.is_required()]
    needed += ["utility"] if selector.needs_utility else []
    taken = {*fields, *needed, *(["like"] if selector.takes_like else [])}
    if foreign := sorted(set(given) - taken):
        raise ValueError(f"selector {name!r} takes no {foreign[0]}; it takes {', '.join(sorted(taken))}.")
    if missing := [option for option in needed if option not in given]:
        raise ValueError(f"selector {name!r} needs {missing[0]}; give --{missing[0]}, or choose another selector.")
    return selector
