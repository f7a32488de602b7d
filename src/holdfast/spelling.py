"""What is said of a name that nobody knows: the nearest one that is known, and all that are."""

from collections.abc import Iterable
from difflib import get_close_matches


def meant(name: str, known: Iterable[str], listed_by: str = "") -> str:
    """The end of a sentence, without its full stop: "did you mean 'asr'? known: asr, utility".

    Args:
        name: what was given.
        known: what could have been, in the order in which it is listed.
        listed_by: said in place of the list, where that would be long.
    """
    names = list(known)
    nearest = "".join(f"did you mean {one!r}? " for one in get_close_matches(name, names, n=1))
    return nearest + (listed_by or f"known: {', '.join(names)}")
