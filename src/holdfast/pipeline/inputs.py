"""Hashes inputs, so that results of inputs with the same names and other contents are never mixed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from holdfast.artifacts import digest
from holdfast.pipeline.options import SuiteFiles
from holdfast.prompts.fetch import file_sha256
from holdfast.prompts.locate import PromptSource, find_source
from holdfast.prompts.sources import count_prompts, left_out
from holdfast.records import Kind
from holdfast.records import digest_of as digest_of

KINDS: Mapping[str, Kind] = {
    "harmful": "harmful",
    "harmless": "harmless",
    "borderline": "borderline",
    "questions": "question",
    "task": "task",
}
"""Kind of prompts in every set of a suite."""


LATER = ("sample", "takes_all", "skip", "last")
"""Choices that were added after hashes were first saved. They enter a hash only where they are set."""


def file_hash(name: str) -> str:
    """Returns the SHA-256 of a prompt set: its file's bytes, and the chosen columns and rows if any."""
    source = find_source(name)
    return _joined(file_sha256(source.file), _choice(source))


def set_hash(name: str, kind: Kind) -> str:
    """Returns the hash of a set that is used as a kind of prompts, with the rows that this kind leaves out."""
    source = find_source(name)
    return _joined(file_sha256(source.file), [*_choice(source), *left_out(name, kind)])


def suite_hashes(files: SuiteFiles) -> dict[str, list[str]]:
    """Returns the hashes of the evaluation prompt sets, by measure."""
    return {name: [set_hash(value, KINDS[name]) for value in values] for name, values in _given(files).items()}


def prompt_sets(files: SuiteFiles) -> dict[str, list[dict[str, object]]]:
    """Lists the evaluation prompt sets by measure: name, hash, hash of the whole file, and number of prompts."""
    return {
        name: [
            {
                "name": value,
                "sha256": set_hash(value, KINDS[name]),
                "file_sha256": file_sha256(find_source(value).file),
                "prompts": count_prompts(value, KINDS[name]),
            }
            for value in values
        ]
        for name, values in _given(files).items()
        if values
    }


def _given(files: SuiteFiles) -> dict[str, list[str]]:
    """Returns the names of the sets by measure."""
    return {
        name: [value] if isinstance(value, str) else list(value or ()) for name, value in files.model_dump().items()
    }


def _choice(source: PromptSource) -> list[object]:
    """Lists the choices made on a file. Empty where they are all defaults."""
    if source == PromptSource(source.file):
        return []
    parts = asdict(source)
    # Hashes stay equal to those of versions that could not choose rows or draw a sample.
    return [value for name, value in parts.items() if name != "file" and (name not in LATER or value)]


def _joined(content: str, parts: Sequence[object]) -> str:
    return digest([content, *parts]) if parts else content
