"""The end of an unknown-name error: the closest known name, and the list of all known names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

from holdfast.usual_names import conversion, usual

NEARLY = 0.9
"""Similarity (difflib's ratio) from which a name is a misspelling of the known one, as with one wrong letter."""


def meant(name: str, known: Iterable[str], listed_by: str = "", uses: Mapping[str, str] = MappingProxyType({})) -> str:
    """Returns the end of a sentence, without its full stop: "did you mean 'asr'? known: asr, utility".

    Args:
        name: the unknown name.
        known: the known names, in the order of the list.
        listed_by: words in place of the list, where that would be long.
        uses: purposes of names, shown in brackets. Where there are some, names with the same first word are suggested
            together.
    """
    names = list(known)
    purposes = {candidate: f" ({uses[candidate]})" if candidate in uses else "" for candidate in names}
    similar = [f"{candidate!r}{purposes[candidate]}" for candidate in _nearest(name, names, uses)]
    listed = ", ".join(f"{quoted(candidate)}{purposes[candidate]}" for candidate in names)
    return (f"did you mean {joined(similar)}{conversion(name)}? " if similar else "") + (
        listed_by or f"known: {listed}"
    )


def quoted(name: str) -> str:
    """Quotes a name that has a comma or a space, so that a list shows where it ends."""
    return repr(name) if re.search(r"[,\s]", name) else name


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that resembles a name most, or None where none resembles it."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def is_nearly(name: str, known: str, similarity: float = NEARLY) -> bool:
    """True where a name is the known one but for about one wrong letter, or as similar as asked for."""
    return bool(get_close_matches(name, [known], cutoff=similarity))


def is_misspelt(name: str, known: Iterable[str]) -> bool:
    """True where a name resembles a known one, so that `meant` suggests it."""
    return bool(_nearest(name, list(known), {}))


def _nearest(name: str, names: Sequence[str], uses: Mapping[str, str]) -> list[str]:
    """Finds the closest name, and with it those of the same first word, where their purposes differ.

    A name that differs by about one letter is returned alone.
    """
    if ours := usual(name, names) or next((one for one in names if one.lower() == name.lower()), None):
        return [ours]
    closest = _dotted(name, names) or get_close_matches(name, names, n=1) or _begun(name, names)
    if not closest or get_close_matches(name, names, n=1, cutoff=NEARLY):
        return closest
    word = closest[0].partition("_")[0]
    alike = [candidate for candidate in names if candidate in uses and candidate.partition("_")[0] == word]
    return alike if len({uses[candidate] for candidate in alike}) > 1 else closest


def _dotted(name: str, names: Sequence[str]) -> list[str]:
    """Returns the shortest name that has all dotted words of the given one in their order.

    For layers.0.v_proj it is layers.0.self_attn.v_proj.weight.
    """
    if "." not in name:
        return []
    having = [known for known in names if _has_words(known, name)]
    return sorted(having, key=len)[:1]


def _has_words(known: str, name: str) -> bool:
    words = iter(known.split("."))
    return all(word in words for word in name.split("."))


def _begun(name: str, names: Sequence[str]) -> list[str]:
    """Returns the only name whose first word is the given one or its singular: refusal_likelihood for refusals."""
    begun = [known for known in names if name and known.startswith((f"{name}_", f"{name.removesuffix('s')}_"))]
    return begun if len(begun) == 1 else []


def clipped(text: str, longest: int, mark: str = " …") -> str:
    """Returns the first characters of a text with a mark behind them. A text that is short enough stays as it is."""
    return text if len(text) <= longest else f"{text[:longest]}{mark}"


def capitalize_first(text: str) -> str:
    """Makes the first letter large, and leaves the other letters as they are."""
    return f"{text[:1].upper()}{text[1:]}"


def joined(parts: Sequence[str], conjunction: str = "or") -> str:
    """Lists parts as a sentence does: 'a, b or c'."""
    return f" {conjunction} ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
