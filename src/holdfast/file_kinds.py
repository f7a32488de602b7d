"""Identifies a file from its bytes alone: one of holdfast's files, or another kind. Needs no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LARGEST_HEADER = 100_000_000
"""Largest header in bytes. safetensors itself reads no larger one."""
READ = 4096
"""Bytes read from the start of a file, to tell binary from text."""


@dataclass(frozen=True)
class FileKind:
    """The kind of a file."""

    name: str
    """Name of the kind, one word, for loaders to compare."""
    words: str
    """Name of the kind for a sentence, with its article."""
    is_ours: bool = False
    """True where the content shows that holdfast wrote the file."""


TENSORS = {
    "scores": "a file of scores",
    "mask": "a mask",
    "patch": "a patch",
    "direction": "a direction",
    "sums": "the sums of an unfinished scoring",
}
"""Names for sentences of holdfast's safetensors files, by the kind in their headers."""
RECORDS = (
    ("evaluation", "an evaluation", {"answers", "asr", "groups"}),
    ("second_judge", "the verdicts of a second judge", {"answers", "judge", "kappa"}),
    ("judge_card", "the card of a judge", {"judge", "counted", "labels", "verdicts"}),
    ("reproduce", "what `holdfast reproduce` needs", {"reproduce", "inputs", "results"}),
    ("report", "the report of a run", {"schema", "provenance"}),
    ("manifest", "the manifest of a run", {"run", "config", "timings"}),
    ("comparison", "the output of `holdfast compare --json`", {"before", "after", "measures", "conditions"}),
    ("bakeoff", "the table of a bakeoff", {"config", "rows", "num_groups"}),
    ("tuning", "the checks of a tuning", {"iterations", "entries_trained", "share_trained"}),
    ("tuning", "the checks of a tuning", {"iterations", "entries_protected", "protected_identical"}),
    ("verification", "the summary of a verification", {"baseline", "draws", "points", "table"}),
    ("convergence", "the convergence of scores", {"points"}),
    ("printed", "the output of `holdfast evaluate --json`, without answers", {"asr", "over_refusal", "utility"}),
    ("settings", "the settings of an unfinished command or its folder", {"model", "options"}),
    ("settings", "the settings of an unfinished command or its folder", {"model", "suite", "generation"}),
    ("settings", "the settings of a bakeoff's folder", {"model", "inputs", "calibration"}),
)
"""JSON objects of holdfast: name, words, and keys that identify them. The first match counts."""
FOREIGN = (
    ("adapter_config", "the config of an adapter", {"peft_type"}),
    ("model_index", "the index of a model's shards", {"weight_map"}),
    ("model_config", "the config of a model", {"model_type"}),
    ("model_config", "the config of a model", {"architectures"}),
    ("tokenizer", "a tokenizer", {"added_tokens", "model"}),
)
"""JSON objects of other programs: name, words, and keys that identify them. The first match counts."""
BINARY = (
    (b"PK\x03\x04", "a zip archive, as PyTorch pickles are"),
    (b"\x80", "a pickle"),
    (b"GGUF", "a GGUF model"),
    (b"PAR1", "a Parquet table"),
    (b"\x1f\x8b", "a gzip archive"),
)
"""First bytes of other programs' files, with words for them."""


def identify(path: Path) -> FileKind:
    """Identifies the file or folder at a path."""
    if path.is_dir():
        return FileKind("folder", "a folder")
    if not path.is_file():
        return FileKind("missing", "missing")
    size = path.stat().st_size
    if not size:
        return FileKind("empty", "an empty file")
    with path.open("rb") as file:
        start = file.read(READ)
    if (header := _tensor_header(path, size)) is not None:
        return _identify_tensors(header)
    for mark, words in BINARY:
        if start.startswith(mark):
            return FileKind("binary", words)
    return FileKind("binary", "a binary file") if _is_binary(start) else _identify_text(path)


def identify_record(content: object) -> FileKind:
    """Identifies a value that was read from JSON."""
    if not isinstance(content, dict):
        return FileKind("json", f"JSON that holds {'a list' if isinstance(content, list) else 'one value'}")
    for ours, table in ((True, RECORDS), (False, FOREIGN)):
        for name, words, keys in table:
            if keys <= content.keys():
                return FileKind(name, words, ours)
    keys = ", ".join(repr(key)[:40] for key in list(content)[:4])
    return FileKind("json", f"JSON that holdfast did not write ({f'its first keys: {keys}' if keys else 'no keys'})")


def _tensor_header(path: Path, size: int) -> dict | None:
    """Reads the header of a safetensors file, also where the file is cut off after it.

    It is empty where the header itself is cut off, and None for another kind of file.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 9 or not 2 <= length <= LARGEST_HEADER or file.read(1) != b"{":
            return None
        if 8 + length > size:
            return {}
        file.seek(8)
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError):
            return {}
    return header if isinstance(header, dict) else {}


def _identify_tensors(header: Mapping[str, object]) -> FileKind:
    if not header:
        return FileKind("cut_off", "a safetensors file that was cut off")
    metadata = header.get("__metadata__")
    kind = str(metadata["holdfast"]) if isinstance(metadata, dict) and "holdfast" in metadata else None
    if kind is not None:
        return FileKind(kind, TENSORS.get(kind, f"a file of {kind!r} of another version of holdfast"), True)
    if any("lora_" in name for name in header):
        return FileKind("adapter", "a LoRA adapter")
    return FileKind("weights", "a safetensors file that holdfast did not write, such as the weights of a model")


def _is_binary(start: bytes) -> bool:
    if b"\0" in start:
        return True
    try:
        start[: len(start) - 3 if len(start) == READ else None].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(start) - 4  # later errors can come from a character that the read cut in two
    return False


def _identify_text(path: Path) -> FileKind:
    """Identifies JSON by its content. Text that begins like JSON and does not parse was cut off or edited."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return FileKind("binary", "a binary file")
    try:
        return identify_record(json.loads(text))
    except (ValueError, RecursionError):
        pass
    line, _, more = text.lstrip().partition("\n")
    if not line.startswith(("{", "[")):
        return FileKind("text", "text")
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return FileKind("broken_json", "JSON that was cut off")
    return FileKind("text", "JSON Lines, as prompts and responses are") if more.strip() else FileKind("text", "text")
