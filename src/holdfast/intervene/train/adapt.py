"""SPA, safety preserving adaptation: fine-tune the whole model on a task but for the entries that hold its safety.

The entries of the mask keep their values bit for bit (Qi et al. 2026, arXiv 2604.08297: at most one point of safety
lost in 1,000 iterations), under any optimizer, with weight decay and momentum on. It protects against accidents, not
against somebody who wants the safety gone (arXiv 2402.05162). Without a mask this is plain fine-tuning on the same
batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from holdfast.arguments import require_options
from holdfast.artifacts import as_mask
from holdfast.intervene.options import AdaptOptions
from holdfast.intervene.train.examples import shuffled_positions
from holdfast.intervene.train.frozen import frozen_roles
from holdfast.intervene.train.holds import MASK
from holdfast.intervene.train.methods import Method, identity_of, method_for, usual_method
from holdfast.intervene.train.one_tuning import MakeOptimizer, Tuning
from holdfast.intervene.train.start import refuse_wrong_start
from holdfast.intervene.train.train_by import Trained, train_by
from holdfast.intervene.train.trainer import dense_adamw, fine_tune
from holdfast.models.load import LoadedModel, require_loaded
from holdfast.models.options import Role
from holdfast.progress import Progress, silent
from holdfast.records import Exchange, require_records
from holdfast.values import Mask


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
    method: str | None = None,
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
        method: row of `methods.py`; None is SPA with a mask, and plain fine-tuning without one.
        check_base: whether to refuse a mask of another model.
        just_loaded: whether the weights are as `load_model` has just hashed them; else they are hashed again, and a
            model that has changed since is refused.

    Raises:
        ValueError: the mask or the data do not fit, or the loss or a weight is not finite.
        InvariantError: a protected entry has changed.
    """
    _check(loaded, exchanges, options)
    mask = None if mask is None else as_mask(mask)
    refuse_wrong_start(loaded, mask, check_base=check_base, just_loaded=just_loaded)
    chosen = method_for(method or usual_method("adapt", mask), mask)
    roles = () if options.lora else frozen_roles(loaded.model, options.freeze, train_routers=options.train_routers)
    tuning = Tuning(loaded, mask, options, make_optimizer or partial(dense_adamw, options=options), roles)
    order = shuffled_positions(len(exchanges), options.iterations * options.batch_size, options.seed)
    fit = partial(
        fine_tune,
        examples=exchanges,
        order=order,
        options=options,
        label="adapting",
        progress=progress,
        output_dir=None if output_dir is None else Path(output_dir),
        identity=identity_of("adapt", loaded, mask, chosen),
    )
    last_batch = [exchanges[place] for place in order[-options.batch_size :]]
    folder = None if adapter_dir is None else Path(adapter_dir)
    trained = train_by(chosen, tuning, fit, read=exchanges, last_batch=last_batch, adapter_dir=folder)
    return _result(tuning, chosen, trained)


def _result(tuning: Tuning, method: Method, trained: Trained) -> AdaptResult:
    is_held = method.hold is MASK
    return AdaptResult(
        tuned=replace(tuning.loaded, base=trained.base),
        entries_protected=len(tuning.selected) if is_held else 0,
        protected_identical=True if is_held else None,
        losses=trained.losses,
        frozen=tuning.frozen,
        routing_drift=trained.routing_drift,
        entries_changed=trained.entries_changed,
        start_loss=trained.start_loss,
        saved_loss=trained.saved_loss,
    )


def _check(loaded: LoadedModel, exchanges: Sequence[Exchange], options: AdaptOptions) -> None:
    """Raises ValueError when an argument is of another kind, or there is nothing to learn."""
    require_loaded(loaded)
    require_options(options, AdaptOptions)
    require_records("the task", exchanges, Exchange)
    if not exchanges:
        raise ValueError("there are no exchanges to adapt to; give at least one.")
