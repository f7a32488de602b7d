"""Compares the other files of two checkpoints: the config, the generation config, the tokenizer and its template.

It compares what transformers reads from them. So a file that only another version of transformers wrote differently
counts as equal.
"""

from collections.abc import Callable
from pathlib import Path

from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from holdfast.models.locate import INDEX, quiet_transformers

CONFIG, GENERATION = "config.json", "generation_config.json"
ENDINGS = (".json", ".jinja", ".model", ".tiktoken", ".txt")
"""Endings of the files that a tokenizer or its template may have."""
NOT_READ = ("license", "notice", "readme", INDEX)
"""Beginnings, in lower case, of files with such an ending that no model depends on."""
IDLE = ("transformers_version", "_name_or_path", "_from_model_config", "dtype", "torch_dtype")
"""Settings that record how a file was made, or what the files of weights say themselves."""


def differing_files(base: Path, tuned: Path) -> list[str]:
    """Returns the names of the files, except weights, in which two checkpoint folders differ, sorted.

    Files with other bytes that are read as equal are left out.
    """
    names = {file.name for folder in (base, tuned) for file in folder.iterdir() if _is_read(file)}
    unlike = sorted(name for name in names if _content(base / name) != _content(tuned / name))
    others = [name for name in unlike if name not in (CONFIG, GENERATION)]
    readers = ((CONFIG, _config), (GENERATION, _generation))
    configs = [name for name, read in readers if name in unlike and not _mean_the_same(read, base, tuned)]
    return sorted(configs + ([] if not others or _mean_the_same(_tokenizer, base, tuned) else others))


def _is_read(file: Path) -> bool:
    name = file.name.casefold()
    return file.is_file() and file.suffix in ENDINGS and not name.startswith((".", *NOT_READ))


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _mean_the_same(read: Callable[[Path], object], base: Path, tuned: Path) -> bool:
    """Returns True if transformers reads the same from both. False if it can't read one of them."""
    try:
        with quiet_transformers():
            return read(base) == read(tuned)
    except Exception:  # a broken file can make the library raise anything, and it differs
        return False


def _config(folder: Path) -> dict:
    return _without_idle(AutoConfig.from_pretrained(folder, trust_remote_code=False).to_dict())


def _generation(folder: Path) -> dict:
    """Returns the generation config. Without a file, transformers makes it from the config."""
    if (folder / GENERATION).is_file():
        return _without_idle(GenerationConfig.from_pretrained(folder).to_dict())
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    return _without_idle(GenerationConfig.from_model_config(config).to_dict())


def _tokenizer(folder: Path) -> tuple:
    """Returns what defines a tokenizer: its rules, its special tokens and its chat template."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = backend.to_str() if backend else tokenizer.get_vocab()
    return rules, tokenizer.special_tokens_map, tokenizer.chat_template, tokenizer.padding_side


def _without_idle(settings: dict) -> dict:
    return {name: value for name, value in settings.items() if name not in IDLE}
