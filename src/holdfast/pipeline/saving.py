"""A tuned model as a checkpoint like any of Hugging Face's, in its storage dtype, with its tokenizer."""

from pathlib import Path

from torch import Tensor, nn
from transformers import PreTrainedModel

from holdfast.artifacts import allow_as_umask
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
    dtype = tuned.model.dtype
    # Exact: the tuned values are already ones that the storage dtype holds.
    nn.Module.to(tuned.model, tuned.storage_dtype)
    _write(folder, tuned, tuned.model)
    nn.Module.to(tuned.model, dtype)


def _gathered(tuned: LoadedModel) -> dict[str, Tensor]:
    """A sharded model's values, one tensor after another, as the checkpoint will hold them; the others keep none."""
    weights = dict(tuned.model.named_parameters())
    tied = {name for name, _ in tuned.model.named_parameters(remove_duplicate=False)} - weights.keys()
    values = {}
    for name, value in tuned.model.state_dict().items():
        if name not in tied:
            gathered = whole(value)
            if rank() == 0:
                values[name] = gathered.to("cpu", tuned.storage_dtype if name in weights else value.dtype)
    return values


def _save_values(folder: Path, tuned: LoadedModel, values: dict[str, Tensor]) -> None:
    """Of a sharded model, which can't change its dtype: through one of the same kind that holds no values."""
    _write(folder, tuned, open_stored(tuned.name, tuned.storage_dtype).model, values)


def _write(folder: Path, tuned: LoadedModel, model: PreTrainedModel, values: dict[str, Tensor] | None = None) -> None:
    with quiet_transformers():
        model.save_pretrained(folder, state_dict=values)
        tuned.tokenizer.save_pretrained(folder)
    for file in folder.glob("*.safetensors"):
        allow_as_umask(file)
