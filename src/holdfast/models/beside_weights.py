"""What two checkpoints differ in beside their weights: the config, the generation config, the tokenizer, its template.

Files are compared by what transformers reads of them, so that a checkpoint that another version saved is not told of.
"""

from collections.abc import Callable
from pathlib import Path

from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from holdfast.models.locate import INDEX, quiet_transformers

CONFIG, GENERATION = "config.json", "generation_config.json"
ENDINGS = (".json", ".jinja", ".model", ".tiktoken", ".txt")
"""Of the files that a tokenizer or its template may have."""
NOT_READ = ("license", "notice", "readme", INDEX)
"""Files with such an ending that no model depends on begin so, in lower case."""
IDLE = ("transformers_version", "_name_or_path", "_from_model_config", "dtype", "torch_dtype")
"""Settings that say how a file came about, or what the weights' own files say."""


def differing_files(base: Path, tuned: Path) -> list[str]:
    """Names the files beside the weights in which two checkpoint folders differ, sorted.

    Files that differ in their bytes and are read as the same are left out.
    """
    names = {file.name for folder in (base, tuned) for file in folder.iterdir() if _is_read(file)}
    unlike = sorted(name for name in names if _content(base / name) != _content(tuned / name))
    others = [name for name in unlike if name not in (CONFIG, GENERATION)]
    readers = ((CONFIG, _config), (GENERATION, _generation))
    found = [name for name, read in readers if name in unlike and not _mean_the_same(read, base, tuned)]
    return sorted(found + ([] if not others or _mean_the_same(_tokenizer, base, tuned) else others))


def _is_read(file: Path) -> bool:
    name = file.name.casefold()
    return file.is_file() and file.suffix in ENDINGS and not name.startswith((".", *NOT_READ))


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _mean_the_same(read: Callable[[Path], object], base: Path, tuned: Path) -> bool:
    """Whether transformers reads the same from both; False where it can't read one of them."""
    try:
        with quiet_transformers():
            return read(base) == read(tuned)
    except Exception:  # a broken file can make the library raise anything, and it differs
        return False


def _config(folder: Path) -> dict:
    return _without_idle(AutoConfig.from_pretrained(folder, trust_remote_code=False).to_dict())


def _generation(folder: Path) -> dict:
    """The generation config, which transformers makes from the config where there is no file."""
    if (folder / GENERATION).is_file():
        return _without_idle(GenerationConfig.from_pretrained(folder).to_dict())
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    return _without_idle(GenerationConfig.from_model_config(config).to_dict())


def _tokenizer(folder: Path) -> tuple:
    """What a tokenizer does: its rules, its special tokens and its chat template."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = backend.to_str() if backend else tokenizer.get_vocab()
    return rules, tokenizer.special_tokens_map, tokenizer.chat_template, tokenizer.padding_side


def _without_idle(settings: dict) -> dict:
    return {name: value for name, value in settings.items() if name not in IDLE}
