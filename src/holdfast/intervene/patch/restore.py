"""restored(w) = w_aligned where w is chosen, else w_tuned   (the patch TUNED -> ALIGNED, cut by a choice of entries)

An entry can be chosen where tuning moved it. Shallow edits of this kind are published as a remedy for lost safety
(arXiv 2504.09757). `pipeline/restoring.py` chooses the entries by scores.

An adapter is restored in one of two ways:
- merged: the tuned model is W + s B A, and chosen entries go back to W
- beside the adapter: the base becomes W - s B A at chosen entries, so that base and adapter together give W there

Everything is read from files a run of entries at a time.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from transformers import AutoTokenizer

from holdfast.intervene.patch.low_rank import LowRank, is_adapter, open_adapter
from holdfast.intervene.patch.patch_files import Chunk, PatchWriter
from holdfast.intervene.patch.stored_patch import differences
from holdfast.models.locate import quiet_transformers
from holdfast.models.sites import scorable_sites
from holdfast.models.stored import StoredModel, StoredParameter, open_stored
from holdfast.progress import Progress, silent
from holdfast.tensor_files import runs
from holdfast.values import Mask


@dataclass(frozen=True, eq=False)
class ComputedParameter(StoredParameter):
    """A parameter whose entries are computed from those on disk as they are read."""

    compute: Callable[[int, Tensor], Tensor]
    """Maps the first flat index of a run and its entries on disk to the entries."""
    computed_dtype: torch.dtype

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the computed entries."""
        return self.computed_dtype

    def read(self, start: int, count: int) -> Shaped[Tensor, " entries"]:
        """Computes consecutive entries."""
        return self.compute(start, super().read(start, count)).to(self.computed_dtype)


@dataclass(frozen=True)
class Ends:
    """The two models between which a restoring patch leads."""

    start: StoredModel
    """The model that the patch applies to."""
    goal: Mapping[str, StoredParameter]
    """The values that chosen entries get, for every scored parameter, in the dtype of `start`."""
    aligned: StoredModel
    tuned: StoredModel
    """The tuned model, with an adapter merged."""
    changes: Mapping[str, LowRank] = field(default_factory=dict)
    """The adapter's change of every adapted parameter. Empty where whole weights were tuned."""
    left_alone: tuple[str, ...] = ()
    """Embeddings and heads with another number of rows, as after adding a token to the vocabulary."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters that can be restored: the scored ones."""
        return {name: parameter.shape for name, parameter in self.goal.items()}

    def restored(self, name: str, index: Int[Tensor, " selected"]) -> Float[Tensor, " selected"]:
        """Returns the values of the restored model at sorted flat indices, with an adapter merged."""
        return _cast(self.aligned.parameters[name], self.tuned.parameters[name].dtype).take(index)

    def moved(self, name: str) -> Iterator[Chunk]:
        """Yields the entries of a parameter that differ, with the values before and after restoring."""
        return differences(self.start.parameters[name], self.goal[name])


def open_ends(aligned: str, tuned: str, *, beside: bool = False) -> Ends:
    """Finds the aligned and the tuned model in their files, and checks that one was made from the other.

    Args:
        aligned: the checkpoint whose safety is wanted.
        tuned: a checkpoint that was fine-tuned from it, or a LoRA adapter's folder.
        beside: True restores the base under the adapter, which stays as it is.

    Raises:
        ValueError: one of them is missing or broken, or the tuned model has other parameters, shapes or words.
    """
    if beside and not is_adapter(tuned):
        raise ValueError(f"beside corrects the base under a LoRA adapter, and {tuned!r} is none; leave beside out.")
    before = open_stored(aligned)
    names = sorted(site.name for site in scorable_sites(before.model))
    if not is_adapter(tuned):
        after = open_stored(tuned)
        left_alone = _refuse_unrelated(before, after)
        goal = {name: _cast(before.parameters[name], after.parameters[name].dtype) for name in names}
        return Ends(after, goal, before, after, left_alone=left_alone)
    changes = open_adapter(tuned, before)
    merged = replace(before, parameters={**before.parameters, **_shifted(before, changes, 1)})
    corrected = {**before.parameters, **_shifted(before, changes, -1)}
    start, goal = (before, corrected) if beside else (merged, before.parameters)
    return Ends(start, {name: goal[name] for name in names}, before, merged, changes)


def write_cut(ends: Ends, mask: Mask, writer: PatchWriter, progress: Progress = silent) -> None:
    """Adds the moved entries that the mask selects to a patch."""
    for done, name in enumerate(ends.goal, start=1):
        chosen = mask[name]
        for chunk in ends.moved(name) if len(chosen) else ():
            kept = torch.isin(chunk.index, chosen, assume_unique=True)
            if kept.any():
                writer.add(name, Chunk(*(_known(part)[kept] for part in vars(chunk).values())), keep_old=True)
        progress("restoring parameters", done, len(ends.goal))


def write_merged(ends: Ends, stored: StoredModel) -> None:
    """Writes the values of the patch's start to a copy of its files, where an adapter changes them."""
    for name in ends.changes:
        parameter = ends.start.parameters[name]
        for start, count in runs(parameter.num_entries):
            stored.parameters[name].put(torch.arange(start, start + count), parameter.read(start, count))


def _known(part: Tensor | None) -> Tensor:
    assert part is not None, "differences yields old values"
    return part


def _cast(parameter: StoredParameter, dtype: torch.dtype) -> StoredParameter:
    """Returns the parameter as the tuned model's files would hold it."""
    return parameter if parameter.dtype == dtype else _computed(parameter, lambda _, values: values, dtype)


def _shifted(stored: StoredModel, changes: Mapping[str, LowRank], sign: int) -> dict[str, StoredParameter]:
    """Returns W + sign s B A for every adapted parameter, summed in float32 or wider and rounded once."""

    def shifted(change: LowRank) -> Callable[[int, Tensor], Tensor]:
        return lambda start, values: sign * change.read(start, len(values)) + values.to(_wide(values.dtype))

    parameters = {name: stored.parameters[name] for name in changes}
    return {name: _computed(each, shifted(changes[name]), each.dtype) for name, each in parameters.items()}


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _computed(
    parameter: StoredParameter, compute: Callable[[int, Tensor], Tensor], dtype: torch.dtype
) -> ComputedParameter:
    return ComputedParameter(parameter.name, parameter.shape, parameter.copies, compute, dtype)


def _refuse_unrelated(aligned: StoredModel, tuned: StoredModel) -> tuple[str, ...]:
    """Returns the vocabulary tables that differ in length. Raises ValueError for any other difference of shapes."""
    tables = _tables(aligned) | _tables(tuned)
    names = aligned.parameters.keys() | tuned.parameters.keys()
    left_alone = []
    for name in sorted(names):
        shapes = [stored.parameters[name].shape if name in stored.parameters else None for stored in (aligned, tuned)]
        if shapes[0] == shapes[1]:
            continue
        if name not in tables:
            raise ValueError(
                f"{tuned.name!r} was not tuned from {aligned.name!r}: {name} is {shapes[0] or 'absent'} in the aligned "
                f"model and {shapes[1] or 'absent'} in the tuned one; give the checkpoint that the tuning began with."
            )
        left_alone.append(name)
    _refuse_other_words(aligned, tuned)
    return tuple(left_alone)


def _tables(stored: StoredModel) -> set[str]:
    """Names of the embeddings and the head, the parameters with a row for every word of the vocabulary."""
    model = stored.model
    tables = [module.weight for module in (model.get_input_embeddings(), model.get_output_embeddings()) if module]
    return {name for name, weight in model.named_parameters() if any(weight is table for table in tables)}


def _refuse_other_words(aligned: StoredModel, tuned: StoredModel) -> None:
    """Raises ValueError when the tuned model numbers a word of the aligned one differently. New words are allowed."""
    words, others = _vocabulary(aligned), _vocabulary(tuned)
    other = next((word for word, number in words.items() if others.get(word) != number), None) if others else None
    if other is not None:
        raise ValueError(
            f"{tuned.name!r} was not tuned from {aligned.name!r}: their vocabularies differ, the first word is "
            f"{other!r}; give the checkpoint that the tuning began with."
        )


def _vocabulary(stored: StoredModel) -> dict[str, int]:
    """Number of every word. Empty where the folder has no tokenizer that can be read."""
    try:
        with quiet_transformers():
            return AutoTokenizer.from_pretrained(stored.checkpoint.folder, trust_remote_code=False).get_vocab()
    except Exception:  # the library can raise anything, and shapes were compared already
        return {}
