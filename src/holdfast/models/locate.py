"""Finds a model's files in a folder, on the hub or as `testbed:NAME`, and explains why they can't be read."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, is_offline_mode, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from transformers.utils import logging as transformers_logging

from holdfast.adapter_folder import how_to_merge
from holdfast.built_in import model_path
from holdfast.json_files import load_json
from holdfast.out_of_memory import is_out_of_memory
from holdfast.prompts.template_arguments import split_arguments
from holdfast.reachable import why_unreachable
from holdfast.spelling import nearest

TESTBED = "testbed:"
SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
OTHER_FORMATS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf")
"""Endings of weight files that are neither fetched nor copied: pickles, and formats of other programs."""

TOKENIZER_REMEDY = (
    "save one beside it, such as that of the model which this one was trained from: "
    "`AutoTokenizer.from_pretrained('BASE').save_pretrained('FOLDER')`, with AutoTokenizer from transformers."
)
"""Advice to somebody whose checkpoint has no tokenizer."""
_AS_FOLDER = (
    "give the folder of a Hugging Face model, with config.json and safetensors files; transformers converts a GGUF "
    "file (`from_pretrained(FOLDER, gguf_file=FILE)`, then `save_pretrained`)"
)
HUB_ID = "A hub id has the form OWNER/NAME, such as HuggingFaceTB/SmolLM2-135M-Instruct."


def resolve(name: str, *, with_weights: bool = True) -> str:
    """Returns the argument for `from_pretrained`: an existing folder or a hub id, without template arguments."""
    name, _ = split_arguments(name)
    if name.startswith(TESTBED):
        return str(model_path(name.removeprefix(TESTBED)))
    folder = Path(name)
    looks_like_a_path = folder.is_absolute() or name.startswith((".", "~")) or name.endswith("/") or name.count("/") > 1
    if folder.exists() or looks_like_a_path:
        _check_folder(folder.expanduser(), with_weights=with_weights)
        return str(folder.expanduser())
    return name


def local_folder(name: str) -> Path:
    """Returns the folder that holds a model's files. Fetches those of a hub id, except weights in other formats.

    Raises:
        ValueError: the model is missing or no checkpoint, or the network that it needs is missing.
    """
    source = resolve(name)
    if Path(source).is_dir():
        return Path(source)
    with explained(name, source):
        return Path(snapshot_download(source, ignore_patterns=[f"*{ending}" for ending in OTHER_FORMATS]))


def weight_files(source: str, *, fetch: bool = True) -> list[Path]:
    """Returns the safetensors files that transformers reads, sorted. Empty if they are missing or have other names.

    Args:
        source: a folder that exists, or a hub id.
        fetch: True fetches the files of a hub id. False finds only files that were fetched before.

    Raises:
        ValueError: the index is broken.
    """
    single = _file_of(source, SINGLE, fetch=fetch)  # transformers looks for it first, too
    if single:
        return [single]
    index = _file_of(source, INDEX, fetch=fetch)
    shards = sorted(set(read_index(source, index).values())) if index else []
    return [path for shard in shards if (path := _file_of(source, shard, fetch=fetch))]


def read_index(name: str, index: Path) -> dict[str, str]:
    """Returns the shard of every tensor in an index file.

    Raises:
        ValueError: the index is broken, or names files outside its folder.
    """
    listed = load_json(index, "checkpoint").get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise ValueError(f"{INDEX} of model {name!r} has no weight_map; download or save the model again.")
    outside = [shard for shard in listed.values() if not isinstance(shard, str) or Path(shard).name != shard]
    if outside or not all(shard.endswith(".safetensors") for shard in listed.values()):
        raise ValueError(
            f"{INDEX} of model {name!r} names files that are no safetensors files of its own folder; "
            "save the model again with `save_pretrained`."
        )
    return listed


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hides the progress bars and notices of transformers and the hub within the block.

    Failures are raised, not logged.
    """
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    hub = logging.getLogger("huggingface_hub")
    hub_level = hub.level
    transformers_logging.set_verbosity_error()
    hub.setLevel(logging.ERROR)  # it logs every retry
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        hub.setLevel(hub_level)
        if bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def explained(name: str, source: str) -> Iterator[None]:
    """Keeps the libraries quiet within the block, and turns any error into one sentence about the model."""
    try:
        _require_reachable(source)
        with quiet_transformers():
            yield
    except Exception as error:  # a wrong config.json can make the library raise anything
        if is_out_of_memory(error):
            raise  # no fault of the model's files
        # Hides the cause, some fifty lines of library code. Debuggers find it in __context__.
        raise ValueError(_explain(name, source, error)) from None


def _require_reachable(source: str) -> None:
    """Raises OSError within seconds if a hub id is not in the cache and its hub takes no connection.

    The library itself would try for half a minute or more.
    """
    is_here = Path(source).is_dir() or isinstance(try_to_load_from_cache(source, "config.json"), str)
    if is_here or is_offline_mode():
        return
    if why := why_unreachable(constants.ENDPOINT):
        raise OSError(why)


def _file_of(source: str, file: str, *, fetch: bool) -> Path | None:
    """Returns the path of one of a model's files. None if the model has none of that name."""
    if Path(source).is_dir():
        path = Path(source) / file
        return path if path.is_file() else None
    if not fetch:
        cached = try_to_load_from_cache(source, file)
        return Path(cached) if isinstance(cached, str) else None
    try:
        return Path(hf_hub_download(source, file))
    except EntryNotFoundError:
        return None


def _check_folder(folder: Path, *, with_weights: bool) -> None:
    if folder.is_file():
        if folder.suffix == ".gguf":
            raise ValueError(
                f"model {str(folder)!r} is a GGUF file, which `holdfast evaluate` alone reads as it is; "
                f"{_how_to_convert(folder)}."
            )
        raise ValueError(f"model {str(folder)!r} is a file; {_AS_FOLDER}.")
    if not folder.is_dir():
        raise ValueError(f"model folder {str(folder)!r} does not exist; check the path. {HUB_ID}")
    if not (folder / "config.json").is_file():
        raise ValueError(f"model folder {str(folder)!r} {_what_it_holds(folder)}.")
    if with_weights and not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"model folder {str(folder)!r} has no .safetensors file; pickled weights are not loaded, "
            "convert them with `save_pretrained`."
        )


def _how_to_convert(file: Path) -> str:
    """Returns the lines of Python that convert a GGUF file to a folder, with both names filled in."""
    given = f"({str(file.parent)!r}, gguf_file={file.name!r}).save_pretrained(FOLDER)"
    return (
        f"convert it with transformers (pip install gguf): AutoModelForCausalLM.from_pretrained{given} and "
        f"AutoTokenizer.from_pretrained{given}, and give FOLDER"
    )


def _what_it_holds(folder: Path) -> str:
    """Ends a sentence about a folder without config.json: it names what is there, and what to do."""
    if (folder / "adapter_config.json").is_file():
        return (
            f"holds an adapter of PEFT and no model; {how_to_merge(folder)}, save the model with `save_pretrained`, "
            "and give that folder"
        )
    if any(folder.glob("*.gguf")):
        return f"holds a GGUF file; {_AS_FOLDER}"
    if (folder / "model" / "config.json").is_file():
        return f"has no config.json, and the folder 'model' in it has one; give {str(folder / 'model')!r}"
    if checkpoint := _last_checkpoint(folder):
        return (
            f"has no config.json, and the last checkpoint that a trainer saved in it is {checkpoint.name}; give "
            f"{str(checkpoint)!r}, or save the trained model in the folder with `trainer.save_model`"
        )
    return "has no config.json; save a model there with `save_pretrained`"


def _last_checkpoint(folder: Path) -> Path | None:
    """Returns the folder checkpoint-N with the largest N in which a trainer saved a model or an adapter."""
    steps = {
        int(path.name.rpartition("-")[2]): path
        for path in folder.glob("checkpoint-*")
        if path.name.rpartition("-")[2].isdecimal()
        and any((path / name).is_file() for name in ("config.json", "adapter_config.json"))
    }
    return steps[max(steps)] if steps else None


def _explain(name: str, source: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "custom code" in str(error) or "trust_remote_code" in str(error):
        return (
            f"model {name!r} contains code of its own, which holdfast does not run; choose a model whose architecture "
            "is part of transformers."
        )
    if "backend tokenizer" in reason:
        return f"model {name!r} has no tokenizer that can be read; {TOKENIZER_REMEDY}"
    if "quantiz" in str(error).casefold():
        return (
            f"model {name!r} is quantized and could not be read: {reason.rstrip('.')}. Install what is missing, or "
            "give the checkpoint before quantization: scores, masks and patches apply to weights as they were trained."
        )
    if Path(source).is_dir():
        return f"model folder {name!r} could not be read: {reason.rstrip('.')}. Save or download it again."
    text = f"{type(error).__name__} {error}".casefold()
    if "gated" in text or "401" in text or "403" in text:
        return f"model {name!r} is gated: accept its terms on its hub page, then set HF_TOKEN in the environment."
    is_unknown = "not a valid model identifier" in text or "404" in text or "repository not found" in text
    if "/" not in source:
        hub = "has no model of that name" if is_unknown else f"could not be reached: {reason.rstrip('.')}"
        return f"{no_folder(name, source)}; check the path. {HUB_ID} The hub {hub}."
    if is_unknown:
        return f"{no_folder(name, source)}, and the hub has no model of that name; check the spelling."
    return (
        f"{no_folder(name, source)}, and the hub could not be reached: {reason.rstrip('.')}. "
        "Give a local folder, or go online."
    )


def no_folder(name: str, source: str) -> str:
    """Begins a sentence about a name that is no folder: it suggests a folder with a similar name, if there is one."""
    path = Path(source)
    parent = next((one for one in path.parents if one.is_dir()), Path())
    part = path.relative_to(parent).parts[0]
    near = nearest(part, sorted(one.name for one in parent.iterdir() if one.is_dir()))
    meant = f" (did you mean {str(parent / near / path.relative_to(parent / part))!r}?)" if near else ""
    return f"there is no folder {name!r}{meant}"
