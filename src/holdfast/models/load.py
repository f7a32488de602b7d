"""Loads a model and its tokenizer from a folder, a hub id or `testbed:NAME`, and explains what is wrong with them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, cast, get_args

import torch
from accelerate import init_empty_weights
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.distributed.configuration_utils import DistributedConfig

from holdfast.arguments import checked_call, require, require_choice, require_name
from holdfast.distributed import world_size
from holdfast.models.complete import refuse_incomplete
from holdfast.models.fingerprints import fingerprint as fingerprint
from holdfast.models.fingerprints import fingerprint_of as fingerprint_of
from holdfast.models.locate import OTHER_FORMATS as OTHER_FORMATS
from holdfast.models.locate import explained, resolve, weight_files
from holdfast.models.locate import local_folder as local_folder
from holdfast.models.locate import quiet_transformers as quiet_transformers
from holdfast.models.roles import find_layers
from holdfast.models.storage import Storage, read_storage, stored_apart
from holdfast.progress import Progress, silent
from holdfast.prompts.template_arguments import bind_arguments, split_arguments

HALF_PRECISION = (torch.bfloat16, torch.float16)
DtypeName = Literal["auto", "float32", "bfloat16", "float16"]
ModelKind = type[AutoModelForCausalLM] | type[AutoModelForSequenceClassification]


_UNTIED = (
    "config.json of model {name!r} says that embeddings and head are tied, but its files hold two that differ. Both "
    "are kept, and checkpoints saved from it record that. Set tie_word_embeddings to false, because vLLM and "
    "converters trust it."
)
logger = logging.getLogger(__name__)


@checked_call
@dataclass(frozen=True)
class LoadedModel:
    """A loaded model with its tokenizer, name and fingerprint, ready to score, tune or evaluate."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    base: str
    """Fingerprint of the weights as loaded."""
    storage_dtype: torch.dtype
    """Dtype of most entries in the checkpoint's files. Tuned weights are cast back to it, and patches hold it."""
    stored_apart: Mapping[str, torch.dtype] = field(default_factory=dict)
    """Parameters and buffers that the files hold in another dtype: that dtype, by name."""

    @classmethod
    def of(
        cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str = "the model in memory"
    ) -> "LoadedModel":
        """Wraps a model and a tokenizer that a script has loaded itself. Reads every weight once.

        Raises:
            ValueError: one of the two is missing, or is something else.
        """
        if not isinstance(model, PreTrainedModel):
            raise ValueError(
                f"a model of transformers was expected, got {type(model).__name__}; give the model itself."
            )
        require_tokenizer(tokenizer)
        return cls(model, tokenizer, name, fingerprint(model), model.dtype)

    def __repr__(self) -> str:
        kind = f"{type(self.model).__name__} of {self.model.num_parameters():,} weights"
        dtype = str(self.storage_dtype).removeprefix("torch.")
        return f"<LoadedModel: {self.name}, {kind}, stored in {dtype}, base {self.base[:12]}>"

    def stored_dtype(self, name: str) -> torch.dtype:
        """Returns the dtype in which the checkpoint holds a parameter."""
        return self.stored_apart.get(name, self.storage_dtype)


def require_tokenizer(given: object) -> None:
    """Raises ValueError if the object is no tokenizer of transformers."""
    if not isinstance(given, PreTrainedTokenizerBase):
        raise ValueError(
            f"the model's tokenizer was expected, got {type(given).__name__}; give what "
            "AutoTokenizer.from_pretrained(MODEL) returns."
        )


def require_loaded(given: object) -> None:
    """Raises ValueError if the object is no LoadedModel."""
    call = f"load_model({str(given)!r})" if isinstance(given, str | Path) else "what load_model returns"
    require(given, LoadedModel, f"give {call}, or LoadedModel.of(model, tokenizer)")


def require_model_name(given: object) -> None:
    """Raises ValueError if a caller gives a model in place of its name."""
    require_name(given, "a model", "give a folder, a hub id or testbed:NAME")


@checked_call
def load_model(
    name: str | Path,
    *,
    kind: ModelKind = AutoModelForCausalLM,
    dtype: DtypeName = "auto",
    device: str | None = None,
    sharded: bool = False,
    mixed_precision: bool = False,
    progress: Progress = silent,
) -> LoadedModel:
    """Loads a model in evaluation mode. Never runs remote code and never reads pickles.

    Example:
        >>> loaded = load_model("testbed:aligned")

    Args:
        name: a folder, a hub id, or `testbed:NAME` for a built-in model. Arguments of its chat template may follow a #.
        kind: class to load, a causal language model by default.
        dtype: `auto` keeps the dtype of most weights in the checkpoint's files, whatever its config says. On a CPU it
            turns half precision into float32, which is exact.
        device: device for the weights. None takes the first accelerator, else the CPU.
        sharded: True splits the model by FSDP2 among the processes that were started together, and each reads its own
            part. In one process with several accelerators, True spreads the layers over them.
        mixed_precision: True gathers and multiplies the shards of a half-precision checkpoint in bfloat16, whatever
            their dtype, except on a CPU. Autocast would copy whole matrices and keep them for the backward pass.
        progress: called before and after the files are read, and after each parameter that is hashed.

    Raises:
        ValueError: the model is missing, unreadable or not of that kind, or the network that it needs is missing.
    """
    require_model_name(name)
    require_choice("dtype", dtype, get_args(DtypeName))
    refuse_one_place(sharded=sharded)
    name = str(name)
    source = resolve(name)
    progress(f"loading {name}", 0, 1)
    place = _device(device) if device else default_device()
    with explained(name, source):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    bind_arguments(tokenizer, split_arguments(name)[1], name)
    with explained(name, source):
        storage = _storage(config, weight_files(source))
    stored = storage.dtype
    wanted = _wanted_dtype(dtype, stored, place)
    read = partial(_read, name, source, kind, dtype=wanted)
    if sharded:
        is_half = stored in HALF_PRECISION and place.type != "cpu"
        model = _read_sharded(read, name, gathers_half=wanted == torch.bfloat16 or (mixed_precision and is_half))
    else:
        model = read()
        nn.Module.to(model, place)
    model.eval()
    if untie_config(model):
        logger.warning("%s", _UNTIED.format(name=name))
    apart = stored_apart(model, storage)
    _tell_rounded(name, model, apart)
    progress(f"loading {name}", 1, 1)
    base = fingerprint_of(dict(model.named_parameters()), partial(progress, f"fingerprint of {name}"))
    return LoadedModel(model, tokenizer, name, base, stored, apart)


def load_empty(
    name: str, stored: Mapping[str, tuple[torch.dtype, tuple[int, ...]]], dtype: torch.dtype | None = None
) -> PreTrainedModel:
    """Builds the causal language model that such files would load as, without reading their values.

    Tensors in the files are on the meta device. Buffers that no file holds (tables of rotary positions) are on the CPU.

    Args:
        name: a folder or a hub id.
        stored: dtype and shape of every tensor in the files, by its name there.
        dtype: dtype of the model. None takes the one that its config names.

    Raises:
        ValueError: in the same cases as `load_model`.
    """
    source = resolve(name)
    tensors = {key: torch.empty(shape, dtype=of, device="meta") for key, (of, shape) in stored.items()}
    with explained(name, source):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        with init_empty_weights():
            empty = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        model, notes = type(empty).from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            dtype=dtype or "auto",
            device_map={"": "meta"},
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
        )
    refuse_incomplete(name, notes)
    in_files = model.state_dict().keys()
    for key, buffer in empty.named_buffers():
        if key not in in_files:
            owner, _, word = key.rpartition(".")
            setattr(model.get_submodule(owner), word, buffer)
    return model


@dataclass(frozen=True)
class Outline:
    """The names, shapes and dtypes of a model that is not loaded."""

    model: PreTrainedModel
    """The model on the meta device, in the dtype that `load_model` would choose."""
    storage_dtype: torch.dtype
    """Dtype of most entries in the checkpoint's files if they are on this machine. Otherwise the dtype in its
    config."""
    tokenizer: PreTrainedTokenizerBase | None
    """None if its files are not on this machine."""


def load_outline(name: str, place: torch.device, *, kind: ModelKind = AutoModelForCausalLM) -> Outline:
    """Builds the outline of what `load_model` would load to this device. Reads no values and fetches no weights.

    The dtypes come from weight files on this machine, else from config.json. The tokenizer is loaded if its files are
    there.

    Raises:
        ValueError: the config is missing, unreadable or of another kind of model, or the network that it needs is
            missing.
    """
    source = resolve(name, with_weights=False)
    with explained(name, source):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        stored = _storage(config, weight_files(source, fetch=False)).dtype
        with torch.device("meta"):
            model: PreTrainedModel = kind.from_config(  # pyright: ignore[reportGeneralTypeIssues]
                config, dtype=_wanted_dtype("auto", stored, place), trust_remote_code=False
            )
    model.tie_weights()
    tokenizer = _tokenizer(source)
    if tokenizer is not None:
        bind_arguments(tokenizer, split_arguments(name)[1], name)
    return Outline(model.eval(), stored, tokenizer)


def _device(name: str) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device is {name!r}, which torch does not know; give 'cpu', 'cuda' or 'cuda:0'.") from error


def default_device() -> torch.device:
    """Returns the device that models are loaded to: the first accelerator, else the CPU."""
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")  # pyright: ignore[reportReturnType]


def architectures(name: str) -> list[str]:
    """Returns the classes that a checkpoint's config names. Empty if it names none.

    Raises:
        ValueError: the config is missing or unreadable.
    """
    return list(config_of(name).architectures or [])


def config_of(name: str) -> PreTrainedConfig:
    """Reads a checkpoint's config, without its weights.

    Raises:
        ValueError: the config is missing or unreadable.
    """
    source = resolve(name, with_weights=False)
    with explained(name, source):
        return AutoConfig.from_pretrained(source, trust_remote_code=False)


def refuse_one_place(*, sharded: bool) -> None:
    """Raises ValueError if a model is to be sharded, but there is one process and at most one accelerator."""
    if sharded and world_size() == 1 and torch.accelerator.device_count() < 2:
        raise ValueError(
            "shard spreads a model over several processes or accelerators, but there is only one; start processes with "
            "`torchrun --nproc-per-node N -m holdfast ...`, or leave shard out."
        )


def _sharding(name: str, *, gathers_half: bool) -> DistributedConfig:
    """Returns the settings of FSDP2: each layer is sharded by itself, and gradients are added up in float32."""
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
    except Exception:  # the library can raise anything, and callers can do without a tokenizer
        return None


def untie_config(model: PreTrainedModel) -> bool:
    """Makes the config say that head and embeddings are untied if they are two tensors.

    The files decide, not the config.

    Returns:
        True if the config said otherwise. Programs that trust it (vLLM, converters to GGUF) would drop the head.
    """
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None or getattr(head, "weight", None) is getattr(table, "weight", None):
        return False
    configs = [config for config in (model.config, model.config.get_text_config()) if _says_tied(config)]
    for config in configs:
        config.tie_word_embeddings = False
    return bool(configs)


def _says_tied(config: PreTrainedConfig) -> bool:
    return bool(getattr(config, "tie_word_embeddings", False))


def _storage(config: PreTrainedConfig, files: Sequence[Path]) -> Storage:
    """Returns the dtypes in the files.

    The config's dtype replaces them if files are missing or a quantizer packed them.
    """
    stored, configured = read_storage(files), getattr(config, "dtype", None)
    if stored is None or (configured and getattr(config, "quantization_config", None)):
        return Storage(configured or torch.float32, {})
    return stored


def _tell_rounded(name: str, model: PreTrainedModel, apart: Mapping[str, torch.dtype]) -> None:
    """Logs a warning if the files hold weights in a wider dtype than the loaded model."""
    held = model.state_dict(keep_vars=True)
    rounded = [key for key, dtype in apart.items() if dtype.itemsize > held[key].dtype.itemsize]
    if rounded:
        logger.warning(
            "model %r stores %d of its tensors in %s, the first is %s; they are rounded to %s in memory.",
            name,
            len(rounded),
            apart[rounded[0]],
            rounded[0],
            held[rounded[0]].dtype,
        )


def _wanted_dtype(dtype: DtypeName, stored: torch.dtype, place: torch.device) -> torch.dtype:
    if dtype != "auto":
        return getattr(torch, dtype)
    half_on_cpu = place.type == "cpu" and stored in HALF_PRECISION
    return torch.float32 if half_on_cpu else stored


def _read_sharded(read: Callable[..., PreTrainedModel], name: str, *, gathers_half: bool) -> PreTrainedModel:
    """Spreads the layers over the accelerators of one process, or splits the model among several processes."""
    if world_size() == 1 and torch.accelerator.device_count() > 1:
        return read(device_map="auto")
    model = read(distributed_config=_sharding(name, gathers_half=gathers_half))
    # Covers embedding and head: a forward pass would leave them whole, beside the shards that training writes to.
    cast(FSDPModule, model).set_reshard_after_forward(True)
    return model


def _read(name: str, source: str, kind: ModelKind, **settings: object) -> PreTrainedModel:
    """Loads the model, and checks that its files hold exactly the weights that its config asks for."""
    with explained(name, source):
        model, notes = kind.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]
            source,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            **settings,
        )
    refuse_incomplete(name, notes)
    return model
