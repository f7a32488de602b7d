"""Load a model and its tokenizer from a folder, a hub id or `testbed:NAME`; say what is wrong."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, cast

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

from holdfast.arguments import require, require_name
from holdfast.distributed import world_size
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
WRAPPERS = {
    "_orig_mod.": ("torch.compile", "model._orig_mod"),
    "module.": ("DataParallel or DistributedDataParallel", "model.module"),
}
"""What puts a prefix before the names of a model's weights, and where the model is in it."""
ModelKind = type[AutoModelForCausalLM] | type[AutoModelForSequenceClassification]


_UNTIED = (
    "config.json of model {name!r} says that embeddings and head are one, and its files hold two that differ: both are "
    "kept, and a checkpoint saved from it says so. Set its tie_word_embeddings to false: vLLM and converters trust it."
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to score, tune or evaluate, with what identifies it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    base: str
    """Fingerprint of the weights as they were loaded."""
    storage_dtype: torch.dtype
    """Dtype of most entries in the checkpoint's files: what tuned weights are cast back to, and what a patch holds."""
    stored_apart: Mapping[str, torch.dtype] = field(default_factory=dict)
    """Dtypes of the parameters and buffers that the files hold in another one, by name."""

    @classmethod
    def of(
        cls, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str = "the model in memory"
    ) -> "LoadedModel":
        """A model that a script has loaded by itself, with its tokenizer; reads every weight once.

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
        """The dtype that the checkpoint holds a parameter in."""
        return self.stored_apart.get(name, self.storage_dtype)


def require_tokenizer(given: object) -> None:
    """Raises ValueError when something is no tokenizer of transformers."""
    if not isinstance(given, PreTrainedTokenizerBase):
        raise ValueError(
            f"the model's tokenizer was expected, got {type(given).__name__}; give what "
            "AutoTokenizer.from_pretrained(MODEL) returns."
        )


def require_module(given: object) -> None:
    """Raises ValueError when something else, such as a LoadedModel, is given where a model itself is wanted."""
    if not isinstance(given, nn.Module):
        raise ValueError(
            f"a model was expected, got {type(given).__name__}; give the model itself, such as loaded.model of what "
            "holdfast.load_model returns."
        )


def require_loaded(given: object) -> None:
    """Raises ValueError when something else is given where a model with its tokenizer is wanted."""
    require(given, LoadedModel, "give what load_model returns, or LoadedModel.of(model, tokenizer)")


def require_model_name(given: object) -> None:
    """Raises ValueError when a model is given by value where its name is wanted."""
    require_name(given, "a model", "give a folder, a hub id or testbed:NAME")


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
    """Loads a model in evaluation mode; remote code and pickles are never run.

    Args:
        name: a folder, a hub id, or `testbed:NAME` for a built-in model; behind a #, arguments of its chat template.
        kind: what it is loaded as; a causal language model unless told otherwise.
        dtype: `auto` keeps the dtype of most weights in the checkpoint's files, whatever its config names, except that
            half precision becomes float32 on a CPU (exactly).
        device: where the weights go; the first accelerator, else the CPU, when None.
        sharded: whether the processes that were started together hold parts of it, by FSDP2, of which each reads its
            own; or, of one process with several accelerators, whether its layers are laid out over them.
        mixed_precision: whether what is sharded of a half-precision checkpoint is gathered and multiplied in bfloat16,
            whatever its dtype here, but on a CPU. Autocast would copy whole matrices and keep them for the backward
            pass.
        progress: called before and after the files are read, and after each parameter whose values are hashed.

    Raises:
        ValueError: the model is missing, unreadable, not of that kind, or needs a network that is not there.
    """
    require_model_name(name)
    refuse_one_place(sharded=sharded)
    name = str(name)
    source = resolve(name)
    progress(f"loading {name}", 0, 1)
    place = torch.device(device) if device else default_device()
    with explained(name, source):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    bind_arguments(tokenizer, split_arguments(name)[1], name)
    with explained(name, source):
        storage = _storage(config, weight_files(source))
    stored = storage.dtype
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
    with explained(name, source):
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
    """Dtype of most entries in the checkpoint's files, where they are here; else as its config says."""
    tokenizer: PreTrainedTokenizerBase | None
    """None where its files are not there."""


def load_outline(name: str, place: torch.device, *, kind: ModelKind = AutoModelForCausalLM) -> Outline:
    """What `load_model` would load to this device, without reading values or fetching weights.

    Files of weights that are here tell their dtypes; else config.json does. The tokenizer comes where it is there.

    Raises:
        ValueError: the config is missing, unreadable, of no such model, or needs a network that is not there.
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


def default_device() -> torch.device:
    """Where models are loaded to: the first accelerator, else the CPU."""
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")  # pyright: ignore[reportReturnType]


def architectures(name: str) -> list[str]:
    """The classes that a checkpoint says it is of, read from its config alone; none where it does not say.

    Raises:
        ValueError: the config is missing or unreadable.
    """
    return list(config_of(name).architectures or [])


def config_of(name: str) -> PreTrainedConfig:
    """The config of a checkpoint, read without its weights.

    Raises:
        ValueError: the config is missing or unreadable.
    """
    source = resolve(name, with_weights=False)
    with explained(name, source):
        return AutoConfig.from_pretrained(source, trust_remote_code=False)


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


def untie_config(model: PreTrainedModel) -> bool:
    """Has the config say that head and embeddings are two, where they are: files that hold both decide, not the config.

    Returns:
        Whether the config said otherwise. Who trusts it (vLLM, converters to GGUF) would drop the head.
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
    """The dtypes of the files; as the config says where they are not here, or hold weights that a quantizer packed."""
    stored, said = read_storage(files), getattr(config, "dtype", None)
    if stored is None or (said and getattr(config, "quantization_config", None)):
        return Storage(said or torch.float32, {})
    return stored


def _tell_rounded(name: str, model: PreTrainedModel, apart: Mapping[str, torch.dtype]) -> None:
    """Warns of weights that the files hold in a wider dtype than they are loaded in."""
    held = model.state_dict(keep_vars=True)
    rounded = [key for key, dtype in apart.items() if dtype.itemsize > held[key].dtype.itemsize]
    if rounded:
        logger.warning(
            "model %r stores %d of its tensors in %s, the first is %s; they are rounded to %s here.",
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


def _read(name: str, source: str, kind: ModelKind, **how: object) -> PreTrainedModel:
    """The model with every weight that its config asks for, and no other."""
    with explained(name, source):
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


def _refuse_wrapped(name: str, unexpected: Iterable[str]) -> None:
    """Raises ValueError when every weight has the name that it has inside a wrapper which was saved with the model."""
    names = list(unexpected)
    for prefix, (wrapper, inside) in WRAPPERS.items():
        if names and all(one.startswith(prefix) for one in names):
            raise ValueError(
                f"model {name!r} was saved inside of {wrapper}: its weights' names begin with {prefix!r}; save the "
                f"model within, `{inside}.save_pretrained(FOLDER)`."
            )


def _refuse_incomplete(name: str, notes: dict) -> None:
    if mismatched := sorted(notes.get("mismatched_keys", ())):
        weight, stored, wanted = mismatched[0]
        raise ValueError(
            f"model {name!r} does not fit its config.json: {weight} is {list(stored)} in the checkpoint and "
            f"{list(wanted)} in the config, as are {len(mismatched) - 1} more; save or download it again."
        )
    _refuse_wrapped(name, notes.get("unexpected_keys", ()))
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
