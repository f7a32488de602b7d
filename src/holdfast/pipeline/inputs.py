"""Hashes of what is read: results of the same names but other contents are never mixed."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict

from holdfast.artifacts import digest
from holdfast.pipeline.config import SuiteFiles
from holdfast.prompts.records import Exchange, Prompt
from holdfast.prompts.sources import prompt_file


def digest_of(records: Sequence[Prompt | Exchange]) -> str:
    """SHA-256 of prompts or exchanges."""
    return digest([asdict(record) for record in records])


def file_hash(name: str) -> str:
    """SHA-256 of a prompt file's bytes."""
    return hashlib.sha256(prompt_file(name).read_bytes()).hexdigest()


def suite_hashes(files: SuiteFiles) -> dict[str, list[str]]:
    """Hashes of the evaluation prompt sets, by measure."""
    given = {
        name: [value] if isinstance(value, str) else list(value or ()) for name, value in files.model_dump().items()
    }
    return {name: [file_hash(value) for value in values] for name, values in given.items()}
