"""What files say of how they were made, `made_by` in every header, and what is read from it where two files meet.

Scores, patches and evaluations name their model, prompts and version here. A mask holds what its scores hold, under
"scores", and what other scores or masks hold that it was made from. Files of earlier versions lack these entries: they
are told of, never refused.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from holdfast import __version__
from holdfast.records import Exchange, Prompt, digest_of, normalized_hash

Meta = Mapping[str, object]
UTILITY = "utility"
NOT_TOLD = (None, "response_likelihood")
"""What scores of earlier versions give as the objective of either likelihood, or scores of another program."""
HASH_BYTES = 6
"""Of each prompt's hash: two of 10,000 and 10,000 different prompts have one hash with a chance of 4e-7."""


def version() -> dict[str, str]:
    """The version of holdfast that writes a file."""
    return {"holdfast": __version__}


def model_entry(name: str, fingerprint: str) -> dict[str, str]:
    """The model that a file is about."""
    return {"name": name, "fingerprint": fingerprint}


def prompts_entry(records: Sequence[Prompt | Exchange], name: str | None = None) -> dict[str, object]:
    """A set of prompts: its name where it has one, how many it holds, and hashes of the whole and of each prompt."""
    hashes = sorted({_short_hash(record.prompt) for record in records})
    return {
        **({} if name is None else {"name": name}),
        "count": len(records),
        "sha256": digest_of(records),
        "hashes": base64.b64encode(b"".join(hashes)).decode(),
    }


def count_shared(made_by: Meta, records: Iterable[Prompt | Exchange]) -> int:
    """How many of the prompts are among those that something was made from; 0 where it does not say."""
    known: set[bytes] = set()
    for entry in _prompt_sets(made_by):
        joined = base64.b64decode(str(entry["hashes"]))
        known |= {joined[start : start + HASH_BYTES] for start in range(0, len(joined), HASH_BYTES)}
    return sum(_short_hash(record.prompt) in known for record in records)


def model_name(made_by: Meta) -> str | None:
    """The name of the model that something was made from; None where it does not say."""
    return next((str(entry["name"]) for name, entry in _entries(made_by) if name == "model" and "name" in entry), None)


def model_fingerprint(made_by: Meta) -> str | None:
    """The fingerprint of the model that an evaluation is of; None where it does not say."""
    entry = made_by.get("model")
    return str(entry["fingerprint"]) if isinstance(entry, Mapping) and entry.get("fingerprint") else None


def tuned_entry(made_by: Meta) -> dict[str, str]:
    """What a patch makes of its base: name and fingerprint, as far as its file says; earlier versions gave a name."""
    entry = made_by.get("tuned")
    if isinstance(entry, Mapping):
        return {str(name): str(value) for name, value in entry.items()}
    return {"name": str(entry)} if entry else {}


def named_base(made_by: Meta, base: str) -> str:
    """The model that something was made for, as a sentence names it."""
    name = model_name(made_by)
    return f"{name!r} (fingerprint {base[:12]})" if name else f"fingerprint {base[:12]}"


def summary(made_by: Meta) -> dict[str, str]:
    """What a command shows of a file: the model, a mask's selector and seed, how scores were made, the prompts."""
    likes = [_like_words(entry) for name, entry in _entries(made_by) if name == "like"]
    own = _without_like(made_by)
    scores = [own, *(entry for name, entry in _entries(own) if name in ("scores", "utility"))]
    sets = [f"{entry.get('name', 'without a name')} ({entry.get('count')})" for entry in _prompt_sets(own)]
    found = {
        "model": model_name(made_by),
        "selector": _joined([made_by.get("selector")]),
        "seed": _joined([made_by.get("seed")]) if "selector" in made_by else None,
        "like": _joined(likes),
        "objective": _joined(entry.get("objective") for entry in scores),
        "method": _joined(entry.get("method") for entry in scores),
        "prompts": _joined(sets),
        "holdfast": _joined(entry.get("holdfast") for entry in (made_by, *scores)),
    }
    return {name: text for name, text in found.items() if text}


def _like_words(entry: Meta) -> str:
    """The mask that a random one has as many entries of in every tensor, in words: it was not made from its scores."""
    return f"{entry.get('file', 'a mask')} (selector {entry.get('selector', 'not told')}), as many in every tensor"


def _without_like(made_by: object) -> Meta:
    """The same without the masks that random ones were drawn like."""

    def cut(value: object) -> object:
        if isinstance(value, Mapping):
            return {name: cut(inner) for name, inner in value.items() if name != "like"}
        return [cut(inner) for inner in value] if isinstance(value, list | tuple) else value

    return cast(Meta, cut(made_by))


def _joined(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))


def shown(made_by: object) -> object:
    """The same to be read by people: without the hashes of single prompts."""
    if isinstance(made_by, Mapping):
        return {name: shown(value) for name, value in made_by.items() if name != "hashes"}
    return [shown(value) for value in made_by] if isinstance(made_by, list | tuple) else made_by


def _prompt_sets(made_by: Meta) -> list[Meta]:
    return [entry for _, entry in _entries(made_by) if "hashes" in entry]


def _entries(made_by: object) -> Iterator[tuple[str, Meta]]:
    """Every entry that holds others, at any depth, with its name; the outer ones first."""
    if isinstance(made_by, Mapping):
        for name, entry in made_by.items():
            if isinstance(entry, Mapping):
                yield str(name), entry
        nested = list(made_by.values())
    else:
        nested = list(made_by) if isinstance(made_by, list | tuple) else []
    for value in nested:
        if isinstance(value, Mapping | list | tuple):
            yield from _entries(value)


def _short_hash(prompt: str) -> bytes:
    return bytes.fromhex(normalized_hash(prompt))[:HASH_BYTES]
