"""Trains a model by a method, and measures the effect on its loss, its routing and its rounded values."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from peft import PeftModel

from holdfast.distributed import gathered
from holdfast.intervene.hold.lora import held_by, merge_protected, save_adapter
from holdfast.intervene.options import LoraOptions, micro_batches
from holdfast.intervene.train.adapters import adapters
from holdfast.intervene.train.frozen import frozen
from holdfast.intervene.train.loss import keeps_the_learned, mean_loss, warn_of_little, warn_of_worse
from holdfast.intervene.train.one_tuning import Tuning
from holdfast.intervene.train.parts import Parts, Start
from holdfast.intervene.train.precision import Kept, kept_by_all, refuse_broken, trained_in_float32, warn_of_no_change
from holdfast.intervene.train.result import TuningResult
from holdfast.intervene.train.routing import routing, routing_drift
from holdfast.intervene.train.sparse_adamw import SparseAdamW
from holdfast.intervene.train.terms import Added, added
from holdfast.intervene.train.trainer import Steps, fine_tune
from holdfast.intervene.train.within_context import Row
from holdfast.models.shards import is_sharded
from holdfast.progress import step
from holdfast.records import Exchange
from holdfast.values import Patch


def train_by(
    parts: Parts,
    tuning: Tuning,
    steps: Steps,
    *,
    read: Sequence[Exchange],
    last_batch: Sequence[Exchange],
    adapter_dir: Path | None = None,
) -> tuple[TuningResult, Patch | None]:
    """Trains the model in place. Returns the patch too, if the method makes one.

    Args:
        parts: parts of the method of fine-tuning.
        tuning: the model, the mask and the options.
        steps: the examples in their order.
        read: exchanges on which routing is measured.
        last_batch: exchanges on which the loss before and after training is measured.
        adapter_dir: folder for the adapters, saved before they are merged.
        progress: called before and after the checks of the weights.

    Raises:
        ValueError: the loss or a weight is not finite.
        InvariantError: an entry that the method holds has changed.
    """
    loaded, options, progress = tuning.loaded, tuning.options, steps.progress
    with step(progress, "measuring before training"):
        routed = routing(loaded, read)
        start_loss = mean_loss(loaded, last_batch, options) if last_batch else None
        finish = parts.afterwards(tuning)
    if parts.hold.is_sparse:
        losses, kept = _train_sparsely(parts, tuning, steps)
    else:
        losses, kept = _train_densely(parts, tuning, steps, adapter_dir)
    with step(progress, "checking the tuned weights"):
        refuse_broken(loaded, options)
        finished = finish()
    changed = kept.changed if finished.changed is None else finished.changed
    with step(progress, "measuring after training"):
        saved_loss = mean_loss(loaded, last_batch, options) if last_batch else None
        drift = routing_drift(routed, routing(loaded, read))
    keeps = keeps_the_learned(start_loss, losses[-1] if losses else None, saved_loss)
    if not warn_of_no_change(replace(kept, changed=changed), loaded, options, keeps_the_learned=keeps):
        warn_of_little(start_loss, saved_loss, options)
    warn_of_worse(start_loss, saved_loss, options)
    result = TuningResult(
        tuned=replace(loaded, base=finished.base),
        losses=losses,
        routing_drift=drift,
        entries_changed=changed,
        start_loss=start_loss,
        saved_loss=saved_loss,
    )
    return result, finished.patch


def _train_densely(
    parts: Parts, tuning: Tuning, steps: Steps, adapter_dir: Path | None
) -> tuple[tuple[float, ...], Kept]:
    """Trains all weights that the method leaves free, or adapters, in float32."""
    with (
        frozen(tuning.loaded.model, tuning.frozen),
        trained_in_float32(tuning.loaded) as kept,
        _adapted(tuning) as adapted,
        parts.hold.under(adapted) as optimizer,
    ):
        losses = _fit(parts, adapted, steps, optimizer)
        if adapted is not tuning:
            _merge(adapted, adapter_dir)
    return losses, kept_by_all(kept, tuning.loaded)


def _train_sparsely(parts: Parts, tuning: Tuning, steps: Steps) -> tuple[tuple[float, ...], Kept]:
    """Trains the mask's entries. The method itself counts the entries that rounding leaves changed."""
    # The masters are always float32, so weights in half precision stay in it.
    is_float32 = tuning.loaded.model.dtype == torch.float32
    precise = trained_in_float32(tuning.loaded, counted=False) if is_float32 else nullcontext()
    with precise, parts.hold.under(tuning) as optimizer:
        assert isinstance(optimizer, SparseAdamW)  # a sparse hold yields no other
        losses, moved = _fit(parts, tuning, steps, optimizer), optimizer.num_moved
    return losses, Kept(sum(gathered(moved)) if is_sharded(tuning.model) else moved)


def _fit(parts: Parts, tuning: Tuning, steps: Steps, optimizer: torch.optim.Optimizer) -> tuple[float, ...]:
    # SparseAdamW clips itself, because it frees the dense gradients before the trainer could clip them.
    clip = not parts.hold.is_sparse
    return fine_tune(tuning.loaded, steps, optimizer, tuning.options, clip=clip, add=partial(_added, parts, tuning))


def _added(parts: Parts, tuning: Tuning, rows: Sequence[Row]) -> Added:
    """Makes the method's losses and callbacks from the model as it is before training."""
    options = tuning.options
    start = Start(
        tuning.loaded.model,
        tuning.loaded.tokenizer,
        tuning.method,
        extra=tuning.extra,
        rows=lambda: rows,
        micro_batches=micro_batches(options),
        max_length=options.max_length,
        seed=options.seed,
        mask=tuning.mask,
        refresh=tuning.refresh,
    )
    return added(parts, start)


@contextmanager
def _adapted(tuning: Tuning) -> Iterator[Tuning]:
    """Yields the tuning with adapters on its model if the options have `lora`, or the tuning itself."""
    lora: LoraOptions | None = getattr(tuning.options, "lora", None)
    if lora is None:
        yield tuning
        return
    with adapters(tuning.loaded.model, lora, tuning.options.seed) as model:
        # A PeftModel forwards the attributes of its PreTrainedModel.
        yield replace(tuning, loaded=replace(tuning.loaded, model=model))  # pyright: ignore[reportArgumentType]


def _merge(adapted: Tuning, folder: Path | None) -> None:
    """Checks, saves and merges the adapters. Under a hold, the mask is saved beside them."""
    model = adapted.model
    assert isinstance(model, PeftModel)
    hold = held_by(model)
    if hold:
        hold.verify()
    if folder:
        save_adapter(model, folder)
    merge_protected(model) if hold else model.merge_and_unload()
