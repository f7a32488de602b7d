"""Saves a tuned model as a Hugging Face checkpoint, in the dtypes of its base's files, with its tokenizer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.artifact_files import allow_as_umask
from holdfast.artifacts import load_json, save_json
from holdfast.distributed import first, rank
from holdfast.models.load import LoadedModel, quiet_transformers
from holdfast.models.shards import is_sharded, whole
from holdfast.models.stored import open_stored


def save_checkpoint(folder: Path, tuned: LoadedModel) -> None:
    """Writes the checkpoint from the first process, which gathers a sharded model in its memory."""
    if is_sharded(tuned.model):
        values = _gathered(tuned)
        first(lambda: _save_values(folder, tuned, values))
    else:
        first(lambda: _save_whole(folder, tuned))


def _save_whole(folder: Path, tuned: LoadedModel) -> None:
    with _as_stored(tuned):
        _write(folder, tuned, tuned.model)


@contextmanager
def _as_stored(tuned: LoadedModel) -> Iterator[None]:
    """Casts all saved tensors to the dtypes of the checkpoint's files during the context.

    The cast is exact, because the tuned values are already rounded to those dtypes. Tables of positions are not saved
    and keep their dtype.
    """
    saved = [(name, tensor, tensor.dtype) for name, tensor in tuned.model.state_dict(keep_vars=True).items()]
    floating = [(name, tensor, dtype) for name, tensor, dtype in saved if dtype.is_floating_point]
    try:
        for name, tensor, _ in floating:
            tensor.data = tensor.data.to(tuned.stored_dtype(name))
        yield
    finally:
        for _, tensor, dtype in floating:
            tensor.data = tensor.data.to(dtype)


def _gathered(tuned: LoadedModel) -> dict[str, Tensor]:
    """Gathers a sharded model's values in the first process, one tensor at a time, in the dtypes of the checkpoint."""
    weights = dict(tuned.model.named_parameters())
    tied = {name for name, _ in tuned.model.named_parameters(remove_duplicate=False)} - weights.keys()
    values = {}
    for name, value in tuned.model.state_dict().items():
        if name not in tied:
            gathered = whole(value)
            if rank() == 0:
                dtype = tuned.stored_dtype(name) if name in weights else tuned.stored_apart.get(name, value.dtype)
                values[name] = gathered.to("cpu", dtype)
    return values


def _save_values(folder: Path, tuned: LoadedModel, values: dict[str, Tensor]) -> None:
    """Saves a sharded model, which can't change its dtype, through an empty model of the same class."""
    _write(folder, tuned, open_stored(tuned.name, tuned.storage_dtype).model, values)


def _write(folder: Path, tuned: LoadedModel, model: PreTrainedModel, values: dict[str, Tensor] | None = None) -> None:
    try:
        with quiet_transformers():
            model.save_pretrained(folder, state_dict=values)
            tuned.tokenizer.save_pretrained(folder)
    except SafetensorError as error:  # a full disk, or a folder that is not writable
        raise ValueError(
            f"{str(folder)!r} could not be written: {error}; make room, or choose another place."
        ) from error
    _say_dtype(folder / "config.json", tuned)
    for file in folder.glob("*.safetensors"):
        allow_as_umask(file)


def _say_dtype(config: Path, tuned: LoadedModel) -> None:
    """Writes the dtype of most weights into the config, because the library writes that of the first weight."""
    settings, dtype = load_json(config), str(tuned.storage_dtype).removeprefix("torch.")
    if settings.get("dtype") != dtype:
        save_json(config, settings | {"dtype": dtype})
