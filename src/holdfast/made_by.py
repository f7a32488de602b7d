"""Provenance of files: the `made_by` entry of every header, and the checks that read it.

Scores, patches and evaluations record their model, prompts and version in it. A mask contains the provenance of its
scores under "scores", and that of the other scores or masks that it was made from. Files of earlier versions lack these
entries. They cause a note or a warning, never an error.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, cast

from holdfast import __version__
from holdfast.records import Exchange, Prompt, digest_of, normalized_hash

Meta = Mapping[str, object]
UTILITY = "utility"
UNKNOWN_OBJECTIVES = (None, "response_likelihood")
"""Objectives that could mean safety or utility: none recorded, or the name of both likelihoods in earlier versions."""
OPERATIONS = {
    "union": "union: in any of the masks",
    "intersection": "intersection: in all of the masks",
    "difference": "difference: in the first mask, and in none of the others",
}
"""What a joined mask selects, by the operation that joined masks."""
HASH_BYTES = 6
"""Bytes kept of each prompt's hash. For two sets of 10,000 prompts the chance of any false match is 4e-7."""


class Made(Protocol):
    """Scores, a mask, a patch or a direction: whatever records the model that it was made for."""

    @property
    def base(self) -> str:
        """Fingerprint of the model."""
        ...

    @property
    def made_by(self) -> Meta:
        """Provenance, which names the model."""
        ...


def version() -> dict[str, str]:
    """Makes the entry for the version of holdfast that writes the file."""
    return {"holdfast": __version__}


def model_entry(name: str, fingerprint: str) -> dict[str, str]:
    """Makes the entry for the model that a file belongs to."""
    return {"name": name, "fingerprint": fingerprint}


def prompts_entry(records: Sequence[Prompt | Exchange], name: str | None = None) -> dict[str, object]:
    """Makes the entry for a prompt set: its name where it has one, its size, and hashes of the set and each prompt."""
    hashes = sorted({_short_hash(record.prompt) for record in records})
    return {
        **({} if name is None else {"name": name}),
        "count": len(records),
        "sha256": digest_of(records),
        "hashes": base64.b64encode(b"".join(hashes)).decode(),
    }


def count_shared(made_by: Meta, records: Iterable[Prompt | Exchange]) -> int:
    """Counts the prompts that are also in the prompt sets of `made_by`. The count is 0 where it lists none."""
    known: set[bytes] = set()
    for entry in _prompt_sets(made_by):
        joined = base64.b64decode(str(entry["hashes"]))
        known |= {joined[start : start + HASH_BYTES] for start in range(0, len(joined), HASH_BYTES)}
    return sum(_short_hash(record.prompt) in known for record in records)


def model_name(made_by: Meta) -> str | None:
    """Name of the model in a file's provenance, or None where it is not recorded."""
    return next((str(entry["name"]) for name, entry in _entries(made_by) if name == "model" and "name" in entry), None)


def model_fingerprint(made_by: Meta) -> str | None:
    """Fingerprint of the evaluated model in an evaluation's provenance, or None where it is not recorded."""
    entry = made_by.get("model")
    return str(entry["fingerprint"]) if isinstance(entry, Mapping) and entry.get("fingerprint") else None


def entry_name(made_by: Meta, entry: str) -> str | None:
    """Name in an entry of a file's provenance, such as that of its "judge". None where it is not recorded."""
    known = made_by.get(entry)
    return str(known["name"]) if isinstance(known, Mapping) and "name" in known else None


def set_name(made_by: Meta, entry: str) -> str:
    """Name of the prompt set in an entry of a file's provenance, such as "positive". Empty where it is not recorded."""
    return entry_name(made_by, entry) or ""


def tuned_entry(made_by: Meta) -> dict[str, str]:
    """Name and fingerprint of the tuned model in a patch's provenance, as far as recorded.

    Earlier versions recorded only the name.
    """
    entry = made_by.get("tuned")
    if isinstance(entry, Mapping):
        return {str(name): str(value) for name, value in entry.items()}
    return {"name": str(entry)} if entry else {}


def named_base(made_by: Meta, base: str) -> str:
    """Names the model that a file was made for, with its fingerprint."""
    name = model_name(made_by)
    return f"{name!r} (fingerprint {base[:12]})" if name else f"fingerprint {base[:12]}"


def named_apart(*models: tuple[str | None, str]) -> list[str]:
    """Names several models, each given as its name and its fingerprint, in the words of an error sentence.

    Fingerprints appear only where the names don't tell the models apart: two are equal, or one is not recorded.
    """
    names = [name for name, _ in models]
    if None not in names and len({*names}) == len(names):
        return [repr(name) for name in names]
    return [
        f"{name!r} (fingerprint {base[:12]})" if name else f"one with fingerprint {base[:12]}" for name, base in models
    ]


def base_of(made: Made) -> tuple[str | None, str]:
    """Returns the name, where it is recorded, and the fingerprint of the model that something was made for."""
    return model_name(made.made_by), made.base


def other_model_words(what: str, made: Made, given: tuple[str | None, str]) -> str:
    """Begins the error about a mask, scores, a patch or a direction of another model than the given one."""
    made_for, actual = named_apart(base_of(made), given)
    return f"{what} was made for another model: for {made_for}, and {actual} was given"


def is_random(made_by: Meta) -> bool:
    """True for a random control: drawn at random, selected by random scores, or the weights of random neurons."""
    if "random" in (made_by.get("selector"), made_by.get("method")):
        return True
    return any(is_random(entry) for name in ("scores", "neurons") if isinstance(entry := made_by.get(name), Mapping))


def control_words(made_by: Meta) -> str:
    """Begins the line of a random control with what it is. Empty for anything else."""
    return "random control, " if is_random(made_by) else ""


def maker_words(made_by: Meta) -> str:
    """Names the model that a file was made for, as the subject of a sentence."""
    name = model_name(made_by)
    return repr(name) if name else "that one"


def summary(made_by: Meta) -> dict[str, str]:
    """Summarizes a file's provenance for display.

    It lists the model, the operation that joined masks, a mask's selector and seed, the objective and method of the
    scores, and the prompts.
    """
    likes = [_like_words(entry) for name, entry in _entries(made_by) if name == "like"]
    own = _without_like(made_by)
    scores = [own, *(entry for name, entry in _entries(own) if name in ("scores", "utility"))]
    sets = [f"{entry.get('name', 'without a name')} ({entry.get('count')})" for entry in _prompt_sets(own)]
    texts = {
        "model": model_name(made_by),
        "operation": OPERATIONS.get(str(made_by.get("operation"))),
        "selector": _joined(_selectors(made_by)),
        "seed": _joined([made_by.get("seed")]) if "selector" in made_by else None,
        "like": _joined(likes),
        "objective": _joined(entry.get("objective") for entry in scores),
        "method": _joined(entry.get("method") for entry in scores),
        "prompts": _joined(sets),
        "holdfast": _joined(entry.get("holdfast") for entry in (made_by, *scores)),
    }
    return {name: text for name, text in texts.items() if text}


def _selectors(made_by: Meta) -> list[object]:
    """Lists the selector of a mask, or those of the masks that an operation joined, in their order."""
    masks = made_by.get("masks")
    joined = masks if isinstance(masks, Sequence) else [made_by]
    return [one.get("selector") for one in joined if isinstance(one, Mapping)]


def _like_words(entry: Meta) -> str:
    """Describes the mask that a random mask matches in every tensor. The scores of that mask played no part."""
    return f"{entry.get('file', 'a mask')} (selector {entry.get('selector', 'not recorded')}), as many in every tensor"


def _without_like(made_by: object) -> Meta:
    """Drops the `like` entries: the masks that random masks were matched to."""

    def cut(value: object) -> object:
        if isinstance(value, Mapping):
            return {name: cut(inner) for name, inner in value.items() if name != "like"}
        return [cut(inner) for inner in value] if isinstance(value, list | tuple) else value

    return cast(Meta, cut(made_by))


def _joined(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))


def shown(made_by: object) -> object:
    """Makes provenance readable by dropping the hashes of single prompts."""
    if isinstance(made_by, Mapping):
        return {name: shown(value) for name, value in made_by.items() if name != "hashes"}
    return [shown(value) for value in made_by] if isinstance(made_by, list | tuple) else made_by


def _prompt_sets(made_by: Meta) -> list[Meta]:
    return [entry for _, entry in _entries(made_by) if "hashes" in entry]


def _entries(made_by: object) -> Iterator[tuple[str, Meta]]:
    """Yields every entry that contains others, at any depth, with its name. Outer entries come first."""
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
