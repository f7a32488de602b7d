"""Load a model and its tokenizer from a folder, a hub id or `testbed:NAME`; say what is wrong."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from accelerate import init_empty_weights
from huggingface_hub import snapshot_download
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.distributed.configuration_utils import DistributedConfig
from transformers.utils import logging as transformers_logging

from holdfast.distributed import world_size
from holdfast.models.roles import find_layers
from holdfast.models.shards import whole
from holdfast.prompts.template_arguments import bind_arguments, split_arguments
from holdfast.testbed import model_path

TESTBED = "testbed:"
HALF_PRECISION = (torch.bfloat16, torch.float16)
DtypeName = Literal["auto", "float32", "bfloat16", "float16"]
OTHER_FORMATS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf")
"""Endings of weights that are neither fetched nor copied: pickles, and what other programs read."""
ModelKind = type[AutoModelForCausalLM] | type[AutoModelForSequenceClassification]


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to score, tune or evaluate, with what identifies it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    base: str
    """Fingerprint of the weights as they were loaded."""
    storage_dtype: torch.dtype
    """Dtype of the checkpoint: what tuned weights are cast back to, and what a patch holds."""


def load_model(
    name: str,
    *,
    kind: ModelKind = AutoModelForCausalLM,
    dtype: DtypeName = "auto",
    device: str | None = None,
    sharded: bool = False,
    mixed_precision: bool = False,
) -> LoadedModel:
    """Loads a model in evaluation mode; remote code and pickles are never run.

    Args:
        name: a folder, a hub id, or `testbed:NAME` for a built-in model; behind a #, arguments of its chat template.
        kind: what it is loaded as; a causal language model unless told otherwise.
        dtype: `auto` keeps the checkpoint's dtype, except that half precision becomes float32 on a CPU (exactly).
        device: where the weights go; the first accelerator, else the CPU, when None.
        sharded: whether the processes that were started together hold parts of it, by FSDP2, of which each reads its
            own; or, of one process with several accelerators, whether its layers are laid out over them.
        mixed_precision: whether what is sharded of a half-precision checkpoint is gathered and multiplied in bfloat16,
            whatever its dtype here, but on a CPU. Autocast would copy whole matrices and keep them for the backward
            pass.

    Raises:
        ValueError: the model is missing, unreadable, not of that kind, or needs a network that is not there.
    """
    refuse_one_place(sharded=sharded)
    source = resolve(name)
    place = torch.device(device) if device else default_device()
    with _explained(name, source):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        stored = getattr(config, "dtype", None) or torch.float32
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    bind_arguments(tokenizer, split_arguments(name)[1], name)
    wanted = _wanted_dtype(dtype, stored, place)
    if sharded and world_size() == 1 and torch.accelerator.device_count() > 1:
        model = _read(name, source, kind, dtype=wanted, device_map="auto").eval()
    elif sharded:
        is_half = stored in HALF_PRECISION and place.type != "cpu"
        sharding = _sharding(name, gathers_half=wanted == torch.bfloat16 or (mixed_precision and is_half))
        model = _read(name, source, kind, dtype=wanted, distributed_config=sharding).eval()
        # Also of embedding and head, or a forward pass leaves them whole, beside the shards that training writes to.
        cast(FSDPModule, model).set_reshard_after_forward(True)
    else:
        model = _read(name, source, kind, dtype=wanted).eval()
        nn.Module.to(model, place)
    return LoadedModel(model, tokenizer, name, fingerprint(model), stored)


def load_empty(
    name: str, stored: Mapping[str, tuple[torch.dtype, tuple[int, ...]]], dtype: torch.dtype | None = None
) -> PreTrainedModel:
    """The causal language model that such files would be loaded as, without reading their values.

    What the files hold is on the meta device; what they do not hold (tables of rotary positions) is on the CPU.

    Args:
        name: a folder or a hub id.
        stored: dtype and shape of every tensor in the files by its name there.
        dtype: of the model; the one that its config names when None.

    Raises:
        ValueError: as `load_model` does.
    """
    source = resolve(name)
    tensors = {key: torch.empty(shape, dtype=of, device="meta") for key, (of, shape) in stored.items()}
    with _explained(name, source):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        with init_empty_weights():
            made = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        model, notes = type(made).from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            dtype=dtype or "auto",
            device_map={"": "meta"},
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
        )
    _refuse_incomplete(name, notes)
    in_files = model.state_dict().keys()
    for key, buffer in made.named_buffers():
        if key not in in_files:
            owner, _, word = key.rpartition(".")
            setattr(model.get_submodule(owner), word, buffer)
    return model


@dataclass(frozen=True)
class Outline:
    """A model that is not loaded: names, shapes and dtypes."""

    model: PreTrainedModel
    """On the meta device, in the dtype that `load_model` would choose."""
    storage_dtype: torch.dtype
    """Dtype of the checkpoint, as its config says."""
    tokenizer: PreTrainedTokenizerBase | None
    """None where its files are not there."""


def load_outline(name: str, place: torch.device, *, kind: ModelKind = AutoModelForCausalLM) -> Outline:
    """What `load_model` would load to this device, from config.json alone; the tokenizer too, where it is there.

    Raises:
        ValueError: the config is missing, unreadable, of no such model, or needs a network that is not there.
    """
    source = resolve(name, with_weights=False)
    with _explained(name, source):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        stored = getattr(config, "dtype", None) or torch.float32
        with torch.device("meta"):
            model: PreTrainedModel = kind.from_config(  # pyright: ignore[reportGeneralTypeIssues]
                config, dtype=_wanted_dtype("auto", stored, place), trust_remote_code=False
            )
    model.tie_weights()
    tokenizer = _tokenizer(source)
    if tokenizer is not None:
        bind_arguments(tokenizer, split_arguments(name)[1], name)
    return Outline(model.eval(), stored, tokenizer)


def default_device() -> torch.device:
    """Where models are loaded to: the first accelerator, else the CPU."""
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")  # pyright: ignore[reportReturnType]


def architectures(name: str) -> list[str]:
    """The classes that a checkpoint says it is of, read from its config alone; none where it does not say.

    Raises:
        ValueError: the config is missing or unreadable.
    """
    source = resolve(name, with_weights=False)
    with _explained(name, source):
        return list(AutoConfig.from_pretrained(source, trust_remote_code=False).architectures or [])


def resolve(name: str, *, with_weights: bool = True) -> str:
    """What `from_pretrained` is given: a folder that exists, or a hub id, without arguments of the chat template."""
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
    """The folder that holds a model's files; those of a hub id are fetched, but for weights in other formats.

    Raises:
        ValueError: it is missing, no checkpoint, or needs a network that is not there.
    """
    source = resolve(name)
    if Path(source).is_dir():
        return Path(source)
    with _explained(name, source):
        return Path(snapshot_download(source, ignore_patterns=[f"*{ending}" for ending in OTHER_FORMATS]))


def fingerprint(model: nn.Module) -> str:
    """SHA-256 over the sorted parameters: name, shape and float32 bits, so that a wider dtype does not change it."""
    refuse_absent(model)
    digest = hashlib.sha256()
    for name, weight in sorted(model.named_parameters()):
        digest.update(f"{name}{tuple(weight.shape)}".encode())
        digest.update(whole(weight.detach()).to("cpu", torch.float32).contiguous().view(-1).numpy().data)
    return digest.hexdigest()


def refuse_absent(model: nn.Module) -> None:
    """Raises ValueError when a parameter has a shape and no values."""
    absent = [name for name, weight in model.named_parameters() if weight.is_meta]
    if absent:
        raise ValueError(
            f"parameter {absent[0]!r} (and {len(absent) - 1} more) is on the meta device, without values; "
            "load the whole model into memory, without offloading."
        )


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Loading, training and saving without the libraries' bars and notices; what goes wrong is raised, not logged."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    hub = logging.getLogger("huggingface_hub")
    hub_level = hub.level
    transformers_logging.set_verbosity_error()
    hub.setLevel(logging.ERROR)  # it tells of every retry
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        hub.setLevel(hub_level)
        if bars:
            transformers_logging.enable_progress_bar()


def refuse_one_place(*, sharded: bool) -> None:
    """Raises ValueError when a model is to be spread over several places and there is one."""
    if sharded and world_size() == 1 and torch.accelerator.device_count() < 2:
        raise ValueError(
            "shard spreads a model over several processes or accelerators, and there is one; start processes with "
            "`torchrun --nproc-per-node N -m holdfast ...`, or leave it out."
        )


def _sharding(name: str, *, gathers_half: bool) -> DistributedConfig:
    """How FSDP2 is to spread a model: every layer by itself, gradients added up in float32."""
    layers = find_layers(load_outline(name, torch.device("cpu")).model)
    if layers is None:
        raise ValueError(f"model {name!r} has no list of layers that could be sharded; leave the sharding out.")
    return DistributedConfig(
        fsdp_size=world_size(),
        fsdp_plan={f"{layers}*": "free_full_weight"},
        fsdp_mixed_precision=gathers_half,
    )


def _tokenizer(source: str) -> PreTrainedTokenizerBase | None:
    try:
        with quiet_transformers():
            return AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception:  # the library can raise anything; whoever asks can do without
        return None


def _wanted_dtype(dtype: DtypeName, stored: torch.dtype, place: torch.device) -> torch.dtype:
    if dtype != "auto":
        return getattr(torch, dtype)
    half_on_cpu = place.type == "cpu" and stored in HALF_PRECISION
    return torch.float32 if half_on_cpu else stored


def _check_folder(folder: Path, *, with_weights: bool) -> None:
    if not folder.is_dir():
        raise ValueError(f"model folder {str(folder)!r} does not exist; give a folder with config.json, or a hub id.")
    if not (folder / "config.json").is_file():
        raise ValueError(f"model folder {str(folder)!r} has no config.json; save a model there with `save_pretrained`.")
    if with_weights and not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"model folder {str(folder)!r} has no .safetensors file; pickled weights are not loaded, "
            "convert them with `save_pretrained`."
        )


def _read(name: str, source: str, kind: ModelKind, **how: object) -> PreTrainedModel:
    """The model with every weight that its config asks for, and no other."""
    with _explained(name, source):
        model, notes = kind.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]
            source,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            **how,
        )
    _refuse_incomplete(name, notes)
    return model


@contextmanager
def _explained(name: str, source: str) -> Iterator[None]:
    """Reads quietly, and says in one sentence what is wrong with a model."""
    try:
        with quiet_transformers():
            yield
    except Exception as error:  # a wrong config.json can make the library raise anything
        raise ValueError(_explain(name, source, error)) from error


def _refuse_incomplete(name: str, notes: dict) -> None:
    if mismatched := sorted(notes.get("mismatched_keys", ())):
        weight, stored, wanted = mismatched[0]
        raise ValueError(
            f"model {name!r} does not fit its config.json: {weight} is {list(stored)} in the checkpoint and "
            f"{list(wanted)} in the config, as are {len(mismatched) - 1} more; save or download it again."
        )
    if missing := sorted(notes["missing_keys"]):
        raise ValueError(
            f"model {name!r} lacks {len(missing)} weights that its config.json asks for, the first is {missing[0]}; "
            "the checkpoint is incomplete, save or download it again."
        )
    # Those that an architecture is known to have no use for, transformers has left out already.
    if unused := sorted(notes["unexpected_keys"]):
        raise ValueError(
            f"model {name!r} has {len(unused)} weights that its config.json does not ask for, the first is "
            f"{unused[0]}; mend the config (num_hidden_layers and the like), save or download it again."
        )


def _explain(name: str, source: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "custom code" in str(error) or "trust_remote_code" in str(error):
        return f"model {name!r} brings code of its own, which is not run; take one whose architecture transformers has."
    if "backend tokenizer" in reason:
        return (
            f"model {name!r} has no tokenizer that can be read; save one beside it with the tokenizer's "
            "`save_pretrained`, or download the model again."
        )
    if Path(source).is_dir():
        return f"model folder {name!r} could not be read: {reason.rstrip('.')}. Save or download it again."
    text = f"{type(error).__name__} {error}".casefold()
    if "gated" in text or "401" in text or "403" in text:
        return f"model {name!r} is gated: accept its terms on its hub page, then set HF_TOKEN in the environment."
    if "not a valid model identifier" in text or "404" in text or "repository not found" in text:
        return f"model {name!r} was not found on the hub; check the spelling, or give a folder that exists."
    return (
        f"model {name!r} is not a folder here and the hub could not be reached: {reason} "
        "Give a local folder, or go online."
    )
