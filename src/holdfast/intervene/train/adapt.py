"""SPA, safety preserving adaptation: fine-tune the whole model on a task but for the entries that hold its safety.

The entries of the mask keep their values bit for bit (Qi et al. 2026, arXiv 2604.08297: at most one point of safety
lost in 1,000 iterations), under any optimizer, with weight decay and momentum on. It protects against accidents, not
against somebody who wants the safety gone (arXiv 2402.05162). Without a mask this is plain fine-tuning on the same
batches.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast.arguments import require_options
from holdfast.artifacts import as_mask
from holdfast.intervene.entries import mask_digest, masked_entries, refuse_changed
from holdfast.intervene.hold.lora import merge_protected, protect_lora, save_adapter
from holdfast.intervene.hold.protect import protect
from holdfast.intervene.options import AdaptOptions
from holdfast.intervene.train.adapters import adapters
from holdfast.intervene.train.examples import shuffled_positions
from holdfast.intervene.train.frozen import frozen, frozen_roles
from holdfast.intervene.train.loss import mean_loss, warn_of_worse
from holdfast.intervene.train.precision import kept_by_all, refuse_broken, trained_in_float32, warn_of_no_change
from holdfast.intervene.train.routing import routing, routing_drift
from holdfast.intervene.train.start import refuse_wrong_start
from holdfast.intervene.train.trainer import dense_adamw, fine_tune
from holdfast.models.fingerprints import fingerprint
from holdfast.models.load import LoadedModel, require_loaded
from holdfast.models.options import Role
from holdfast.progress import Progress, silent
from holdfast.records import Exchange, require_records
from holdfast.values import Mask

MakeOptimizer = Callable[[nn.Module], torch.optim.Optimizer]
Train = Callable[..., tuple[float, ...]]


@dataclass(frozen=True)
class AdaptResult:
    """A model that was fine-tuned on a task, and what of it was held."""

    tuned: LoadedModel
    """The same model object with its new fingerprint; its values are what a checkpoint in the storage dtype holds."""
    entries_protected: int
    protected_identical: bool | None
    """True: checked, every protected entry kept every bit. None without a mask."""
    losses: tuple[float, ...]
    """Loss of each step that was run now."""
    frozen: tuple[Role, ...] = ()
    """Roles of parameters that were not trained."""
    routing_drift: float | None = None
    """Share of a mixture's choices of experts, on the first exchanges, that are no longer made; else None."""
    entries_changed: int = 0
    """Entries that differ from the checkpoint in its own dtype: a small step is lost to rounding."""
    start_loss: float | None = None
    """Mean loss per response token of the model before training, on the last batch."""
    saved_loss: float | None = None
    """Mean loss per response token of the model as it is saved, on the last batch."""


def adapt(
    loaded: LoadedModel,
    mask: Mask | str | Path | None,
    exchanges: Sequence[Exchange],
    options: AdaptOptions = AdaptOptions(),
    progress: Progress = silent,
    output_dir: str | Path | None = None,
    make_optimizer: MakeOptimizer | None = None,
    adapter_dir: str | Path | None = None,
    *,
    check_base: bool = True,
    just_loaded: bool = False,
) -> AdaptResult:
    """Fine-tunes the model in place; load it again for another arm.

    Args:
        loaded: the model to tune, as it was loaded.
        mask: what to hold, or the path of its file; None holds nothing.
        exchanges: the task.
        options: length, rate and the like.
        progress: told after each step.
        output_dir: where checkpoints go, when `checkpoint_every` asks for them.
        make_optimizer: any torch optimizer for the model, in place of fused AdamW.
        adapter_dir: where the adapter goes with `lora`, with the mask beside it, before it is merged.
        check_base: whether to refuse a mask of another model.
        just_loaded: whether the weights are as `load_model` has just hashed them; else they are hashed again, and a
            model that has changed since is refused.

    Raises:
        ValueError: the mask or the data do not fit, or the loss or a weight is not finite.
        InvariantError: a protected entry has changed.
    """
    require_loaded(loaded)
    require_options(options, AdaptOptions)
    require_records("the task", exchanges, Exchange)
    mask = None if mask is None else as_mask(mask)
    output_dir, adapter_dir = (None if folder is None else Path(folder) for folder in (output_dir, adapter_dir))
    refuse_wrong_start(loaded, mask, check_base=check_base, just_loaded=just_loaded)
    if not exchanges:
        raise ValueError("there are no exchanges to adapt to; give at least one.")
    model = loaded.model
    entries = [] if mask is None else masked_entries(model, mask)
    held, routed = [entry.read() for entry in entries], routing(loaded, exchanges)
    roles = () if options.lora else frozen_roles(model, options.freeze, train_routers=options.train_routers)
    order = shuffled_positions(len(exchanges), options.iterations * options.batch_size, options.seed)
    last_batch = [exchanges[place] for place in order[-options.batch_size :]]
    start_loss = mean_loss(loaded, last_batch, options)
    train = _fine_tuning(loaded, mask, exchanges, order, options, progress, output_dir)
    make = make_optimizer or partial(dense_adamw, options=options)
    with frozen(model, roles), trained_in_float32(loaded) as kept:
        if options.lora:
            losses = _train_adapters(loaded, mask, train, make, options, adapter_dir)
        else:
            losses = _train_weights(loaded, mask, train, make)
    refuse_broken(loaded, options)
    refuse_changed(entries, held)
    kept = kept_by_all(kept, loaded)
    warn_of_no_change(kept, loaded, options)
    saved_loss = mean_loss(loaded, last_batch, options)
    warn_of_worse(start_loss, saved_loss, options)
    return AdaptResult(
        tuned=replace(loaded, base=fingerprint(model)),
        entries_protected=0 if mask is None else len(mask),
        protected_identical=None if mask is None else True,
        losses=losses,
        frozen=roles,
        routing_drift=routing_drift(routed, routing(loaded, exchanges)),
        entries_changed=kept.changed,
        start_loss=start_loss,
        saved_loss=saved_loss,
    )


def _fine_tuning(
    loaded: LoadedModel,
    mask: Mask | None,
    exchanges: Sequence[Exchange],
    order: Sequence[int],
    options: AdaptOptions,
    progress: Progress,
    output_dir: Path | None,
) -> Train:
    """What is left to say is the model, which may be wrapped by then, and its optimizer."""
    return partial(
        fine_tune,
        examples=exchanges,
        order=order,
        options=options,
        label="adapting",
        clip=True,
        progress=progress,
        output_dir=output_dir,
        identity=[loaded.base, mask and mask_digest(mask)],
    )


def _train_weights(
    loaded: LoadedModel, mask: Mask | None, train: Train, make_optimizer: MakeOptimizer
) -> tuple[float, ...]:
    optimizer = make_optimizer(loaded.model)
    with nullcontext() if mask is None else protect(optimizer, mask, loaded.model, check_base=False):
        return train(loaded, optimizer=optimizer)


def _train_adapters(
    loaded: LoadedModel,
    mask: Mask | None,
    train: Train,
    make_optimizer: MakeOptimizer,
    options: AdaptOptions,
    adapter_dir: Path | None,
) -> tuple[float, ...]:
    assert options.lora is not None
    with adapters(loaded.model, options.lora, options.seed) as model:
        adapted: Any = model  # a PeftModel passes on what a PreTrainedModel has
        with nullcontext() if mask is None else protect_lora(model, mask, check_base=False) as protection:
            losses = train(replace(loaded, model=adapted), optimizer=make_optimizer(model))
            if protection:
                protection.verify()
            if adapter_dir:
                save_adapter(model, adapter_dir)  # under a hold with the mask beside it
            merge_protected(model) if protection else model.merge_and_unload()  # pyright: ignore[reportCallIssue]
        return losses
