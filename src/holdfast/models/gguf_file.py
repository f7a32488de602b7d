"""Loads a GGUF file, the quantised form that llama.cpp and Ollama run, with its weights dequantised to float32.

transformers reads the file and turns each block of quantised weights into the numbers that it stands for. float32 holds
these numbers without rounding. So a quantisation is measured by its own weights, and can be compared with the model
that it was made from. llama.cpp computes with the same weights, but rounds activations in another way. To measure its
responses themselves, ask its server.
"""

import importlib.util
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from holdfast.models.complete import refuse_incomplete
from holdfast.models.fingerprints import fingerprint
from holdfast.models.load import LoadedModel, default_device, load_model
from holdfast.models.locate import quiet_transformers
from holdfast.out_of_memory import is_out_of_memory
from holdfast.progress import Progress, silent
from holdfast.prompts.fetch import file_sha256
from holdfast.prompts.template_arguments import bind_arguments, split_arguments

ENDING = ".gguf"
MAGIC = b"GGUF"


def is_gguf(name: str) -> bool:
    """True for the path of a GGUF file, with or without template arguments."""
    return split_arguments(name)[0].endswith(ENDING)


def load_checkpoint(name: str, progress: Progress = silent) -> LoadedModel:
    """Loads a model from a folder, the hub, `testbed:NAME` or a GGUF file. Raises the errors of the loaders."""
    return load_gguf(name, progress) if is_gguf(name) else load_model(name, progress=progress)


def load_gguf(name: str, progress: Progress = silent) -> LoadedModel:
    """Loads a GGUF file in evaluation mode, dequantised to float32, with the tokenizer that the file holds.

    Args:
        name: path of the file. Arguments of its chat template may follow a #.
        progress: called before and after the file is read.

    Raises:
        ValueError: the file is missing, damaged or one of several parts, the package gguf is missing, or transformers
            can't read the file's architecture or form of quantisation.
    """
    path = require_gguf(name)
    progress(f"loading {name}", 0, 1)
    place = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name, "trust_remote_code": False}
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(**place)
            model, notes = AutoModelForCausalLM.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]
                **place, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except Exception as error:  # a damaged file can make the library raise anything
        if is_out_of_memory(error):
            raise
        raise ValueError(_why_unread(path, error)) from None
    refuse_incomplete(name, notes)
    bind_arguments(tokenizer, split_arguments(name)[1], name)
    model = model.eval().to(default_device())
    progress(f"loading {name}", 1, 1)
    return LoadedModel(model, tokenizer, name, fingerprint(model), torch.float32)


def require_gguf(name: str) -> Path:
    """Returns the path of a GGUF file that may be readable. Reads its first bytes only.

    Raises:
        ValueError: the file is missing, no GGUF file or one of several parts, or the package gguf is missing.
    """
    path = Path(split_arguments(name)[0]).expanduser()
    if not path.is_file():
        raise ValueError(f"the GGUF file {str(path)!r} does not exist; give the path of a file that does.")
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if start != MAGIC:
        raise ValueError(f"{str(path)!r} is no GGUF file: it does not begin with GGUF; download or convert it again.")
    if importlib.util.find_spec("gguf") is None:
        raise ValueError("reading a GGUF file needs the package gguf; install it with pip install gguf.")
    if _number_of_parts(path) > 1:
        raise ValueError(
            f"{str(path)!r} is one of several parts of a GGUF model, which transformers can't read; join them with "
            "llama.cpp's `llama-gguf-split --merge` and give the result."
        )
    return path


def gguf_entry(name: str) -> dict[str, str]:
    """Describes a GGUF file for an evaluation: its SHA-256, its form of quantisation, and how it was dequantised."""
    path = require_gguf(name)
    return {
        "sha256": file_sha256(path),
        "quantisation": _quantisation(path),
        "dequantised": f"to float32 by transformers {transformers.__version__}",
    }


def _quantisation(path: Path) -> str:
    """Names the form of quantisation that the file says most of its weights have, such as Q4_K_M."""
    import gguf  # optional

    number = _number(path, "general.file_type")
    try:
        return gguf.LlamaFileType(number).name.removeprefix("MOSTLY_").removeprefix("ALL_")
    except ValueError:
        return "not recorded"


def _number_of_parts(path: Path) -> int:
    return _number(path, "split.count") or 1


def _number(path: Path, key: str) -> int | None:
    """Returns a number of the file's header. None if the header lacks it, or can't be read."""
    field = _field(path, key)
    return int(field) if isinstance(field, int) else None


def _field(path: Path, key: str) -> object:
    import gguf  # optional

    try:
        field = gguf.GGUFReader(path).get_field(key)
        return field.contents() if field else None
    except Exception:  # a damaged file can make the library raise anything, and loading it says what is wrong
        return None


def _why_unread(path: Path, error: Exception) -> str:
    """Says in one sentence why transformers could not read the file, and what to do."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    version = f"transformers {transformers.__version__}"
    if "is not supported" in reason and "architecture" in reason:
        return (
            f"the GGUF file {str(path)!r} has the architecture {_field(path, 'general.architecture')!r}, which "
            f"{version} can't read; serve it with llama.cpp and give --served URL, or evaluate the model that it was "
            "made from."
        )
    return (
        f"the GGUF file {str(path)!r} could not be read by {version}: {reason}; download or convert it again, or serve "
        "it with llama.cpp and give --served URL."
    )
