"""Hashes of what is read: results of the same names but other contents are never mixed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from holdfast.artifacts import digest
from holdfast.pipeline.options import SuiteFiles
from holdfast.prompts.fetch import file_sha256
from holdfast.prompts.locate import PromptSource, find_source
from holdfast.prompts.sources import left_out
from holdfast.records import Kind
from holdfast.records import digest_of as digest_of

KINDS: Mapping[str, Kind] = {
    "harmful": "harmful",
    "harmless": "harmless",
    "borderline": "borderline",
    "questions": "question",
    "task": "task",
}
"""What the prompts of every set of a suite are used as."""


LATER = ("sample", "takes_all")
"""What a set can be told since hashes of sets were kept: it counts where it is told."""


def file_hash(name: str) -> str:
    """SHA-256 of a prompt set: its file's bytes, and which columns and rows are read where these are chosen."""
    source = find_source(name)
    return _joined(file_sha256(source.file), _choice(source))


def set_hash(name: str, kind: Kind) -> str:
    """As `file_hash`, of a set that is used as a kind of prompts, which may leave some of its rows out."""
    source = find_source(name)
    return _joined(file_sha256(source.file), [*_choice(source), *left_out(name, kind)])


def suite_hashes(files: SuiteFiles) -> dict[str, list[str]]:
    """Hashes of the evaluation prompt sets, by measure."""
    given = {
        name: [value] if isinstance(value, str) else list(value or ()) for name, value in files.model_dump().items()
    }
    return {name: [set_hash(value, KINDS[name]) for value in values] for name, values in given.items()}


def _choice(source: PromptSource) -> list[object]:
    """What is chosen of a file; nothing where it is read as it is."""
    if source == PromptSource(source.file):
        return []
    parts = asdict(source)
    # Hashes stay those of the time before rows could be chosen, or a sample drawn.
    return [value for name, value in parts.items() if name != "file" and (name not in LATER or value)]


def _joined(content: str, parts: Sequence[object]) -> str:
    return digest([content, *parts]) if parts else content
