"""Describes the prompt sets of an evaluation for publication: names, hashes, counts, sources and licences. No prompts.

    SET  {"measure", "name", "part", "sha256", "file_sha256", "prompts", "set", "licence", "source", "revision",
          "paper"}

`sha256` is that of the file, and of the choices of columns and rows if there are any. `part` is what stands behind the
# of its name, such as first=100. A file is named without its folder. If its bytes are those of a public set, `set`
names that, and licence, source, revision and paper are known. For other files they are null.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.prompts.known import KNOWN, KnownSet

TESTBED = "testbed:"
LICENCE_OF_TESTBED = "Apache-2.0"
Json = dict[str, Any]


def described(prompt_sets: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Json]:
    """Describes every prompt set, in the order of the measures.

    Args:
        prompt_sets: name, hash and count of every set, by the option that names it, as evaluations record them.
    """
    return [_described(measure, entry) for measure, entries in prompt_sets.items() for entry in entries]


def known_set(entry: Mapping[str, Any]) -> KnownSet | None:
    """Returns the public set of an entry, by its name or by the bytes of its file. None for other sets."""
    by_bytes = (known for known in KNOWN.values() if known.sha256 and known.sha256 == entry.get("file_sha256"))
    return KNOWN.get(str(entry["name"]).partition("#")[0]) or next(by_bytes, None)


def public_name(name: str) -> str:
    """Returns the name of a set without the folders of its file, which mean nothing to other readers."""
    whole, mark, part = name.partition("#")
    if whole.startswith(TESTBED) or whole in KNOWN:
        return name
    return f"{whole.replace(chr(92), '/').rsplit('/', 1)[-1]}{mark}{part}"


def _described(measure: str, entry: Mapping[str, Any]) -> Json:
    name = str(entry["name"])
    known = known_set(entry)
    whole, _, part = public_name(name).partition("#")
    licence = LICENCE_OF_TESTBED if name.startswith(TESTBED) else known and known.licence
    return {
        "measure": measure,
        "name": whole,
        "sha256": entry["sha256"],
        "file_sha256": entry.get("file_sha256"),
        "prompts": entry["prompts"],
        "part": part or None,
        "set": known and known.name,
        "licence": licence,
        "source": known and known.url,
        "revision": known and known.revision,
        "paper": known and known.paper,
    }
