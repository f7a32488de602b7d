"""Hashes of what is read: results of the same names but other contents are never mixed."""

from dataclasses import asdict

from holdfast.artifacts import digest
from holdfast.pipeline.config import SuiteFiles
from holdfast.prompts.fetch import file_sha256
from holdfast.prompts.locate import PromptSource, find_source
from holdfast.prompts.records import digest_of as digest_of


def file_hash(name: str) -> str:
    """SHA-256 of a prompt set: its file's bytes, and which columns and rows are read where these are chosen."""
    source = find_source(name)
    content = file_sha256(source.file)
    if source == PromptSource(source.file):
        return content
    return digest([content, *(value for name, value in asdict(source).items() if name != "file")])


def suite_hashes(files: SuiteFiles) -> dict[str, list[str]]:
    """Hashes of the evaluation prompt sets, by measure."""
    given = {
        name: [value] if isinstance(value, str) else list(value or ()) for name, value in files.model_dump().items()
    }
    return {name: [file_hash(value) for value in values] for name, values in given.items()}
