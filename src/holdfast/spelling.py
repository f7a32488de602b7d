"""The end of an error about an unknown name: the nearest known one, and a list of all."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

NEARLY = 0.9
"""Likeness from which one name alone can be meant, as where a letter is wrong."""


def meant(name: str, known: Iterable[str], listed_by: str = "", uses: Mapping[str, str] = MappingProxyType({})) -> str:
    """The end of a sentence, without its full stop: "did you mean 'asr'? known: asr, utility".

    Args:
        name: what was given.
        known: what could have been, in the order in which it is listed.
        listed_by: said in place of the list, where that would be long.
        uses: what a name is for, said beside it; names that begin with the same word are then suggested together.
    """
    names = list(known)
    said = {one: f" ({uses[one]})" if one in uses else "" for one in names}
    nearest = [f"{one!r}{said[one]}" for one in _nearest(name, names, uses)]
    listed = ", ".join(f"{one}{said[one]}" for one in names)
    return (f"did you mean {joined(nearest)}? " if nearest else "") + (listed_by or f"known: {listed}")


def is_nearly(name: str, known: str) -> bool:
    """Whether a name is the known one but for a wrong letter or so."""
    return bool(get_close_matches(name, [known], cutoff=NEARLY))


def _nearest(name: str, names: Sequence[str], uses: Mapping[str, str]) -> list[str]:
    """The nearest name; with those that begin with the same word, where their uses differ and any may be meant."""
    nearest = get_close_matches(name, names, n=1)
    if not nearest or get_close_matches(name, names, n=1, cutoff=NEARLY):
        return nearest
    word = nearest[0].partition("_")[0]
    alike = [one for one in names if one in uses and one.partition("_")[0] == word]
    return alike if len({uses[one] for one in alike}) > 1 else nearest


def joined(parts: Sequence[str], conjunction: str = "or") -> str:
    """Lists parts as a sentence does: 'a, b or c'."""
    return f" {conjunction} ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
