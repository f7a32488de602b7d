"""A tuned model as a checkpoint like any of Hugging Face's, in the dtypes of its base's files, with its tokenizer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor
from transformers import PreTrainedModel

from holdfast.artifacts import allow_as_umask, load_json, save_json
from holdfast.distributed import first, rank
from holdfast.models.load import LoadedModel, quiet_transformers
from holdfast.models.shards import is_sharded, whole
from holdfast.models.stored import open_stored


def save_checkpoint(folder: Path, tuned: LoadedModel) -> None:
    """Writes the checkpoint; the first of several processes does, in whose memory a sharded model is gathered."""
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
    """While this lasts everything that is saved is in the dtype of the checkpoint's files.

    It is exact, because the tuned values are already ones that those dtypes hold. Tables of positions are not saved
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
    """A sharded model's values, one tensor after another, as the checkpoint will hold them; the others keep none."""
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
    """Of a sharded model, which can't change its dtype: through one of the same kind that holds no values."""
    _write(folder, tuned, open_stored(tuned.name, tuned.storage_dtype).model, values)


def _write(folder: Path, tuned: LoadedModel, model: PreTrainedModel, values: dict[str, Tensor] | None = None) -> None:
    try:
        with quiet_transformers():
            model.save_pretrained(folder, state_dict=values)
            tuned.tokenizer.save_pretrained(folder)
    except SafetensorError as error:  # a full disk, or a place that takes no files
        raise ValueError(
            f"{str(folder)!r} could not be written: {error}; make room, or choose another place."
        ) from error
    _say_dtype(folder / "config.json", tuned)
    for file in folder.glob("*.safetensors"):
        allow_as_umask(file)


def _say_dtype(config: Path, tuned: LoadedModel) -> None:
    """Has the config name the dtype of most weights: the library names that of the first."""
    said, dtype = load_json(config), str(tuned.storage_dtype).removeprefix("torch.")
    if said.get("dtype") != dtype:
        save_json(config, said | {"dtype": dtype})
