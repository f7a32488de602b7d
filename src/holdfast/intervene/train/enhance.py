"""SET, safety enhancement tuning: train the selected entries, and no other, to refuse what should be refused.

Harmful prompts are paired with safe responses (Qi et al. 2026, arXiv 2604.08297: 100 iterations on 1% of the weights).
Ours: by default every second example is a harmless exchange, because refusals alone teach a model to refuse everything;
what was not selected is checked to be untouched bit for bit; without a mask the same examples tune the whole model, as
a control.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from holdfast.arguments import require_options
from holdfast.artifacts import as_mask
from holdfast.distributed import gathered
from holdfast.errors import InvariantError
from holdfast.intervene.entries import mask_digest, masked_entries, refuse_adapters
from holdfast.intervene.options import EnhanceOptions
from holdfast.intervene.patch.patch import make_patch, selected_values
from holdfast.intervene.train.dpo import make_preferences, preferences
from holdfast.intervene.train.examples import shuffled_positions
from holdfast.intervene.train.frozen import frozen, frozen_roles
from holdfast.intervene.train.loss import mean_loss, warn_of_worse
from holdfast.intervene.train.precision import Kept, kept_by_all, refuse_broken, trained_in_float32, warn_of_no_change
from holdfast.intervene.train.routing import routing, routing_drift
from holdfast.intervene.train.sparse_adamw import WITHOUT_ADAPTERS, SparseAdamW, freeze_unmasked
from holdfast.intervene.train.start import refuse_wrong_start
from holdfast.intervene.train.trainer import dense_adamw, fine_tune
from holdfast.made_by import model_entry, prompts_entry, version
from holdfast.models.fingerprints import fingerprint, fingerprints_now_and_before
from holdfast.models.load import LoadedModel, require_loaded
from holdfast.models.shards import is_sharded
from holdfast.models.sites import list_sites
from holdfast.progress import Progress, silent
from holdfast.records import Exchange, require_records
from holdfast.values import Mask, Meta, Patch

Train = Callable[..., tuple[float, ...]]


@dataclass(frozen=True)
class EnhanceResult:
    """A model that was taught to refuse, and what of it was trained."""

    tuned: LoadedModel
    """The same model object with its new fingerprint; its values are what a checkpoint in the storage dtype holds."""
    patch: Patch | None
    """The difference to the checkpoint; None without a mask."""
    entries_trained: int
    share_trained: float
    """Share of all the model's entries, in [0, 1]."""
    untouched_identical: bool | None
    """True: checked, every other entry kept every bit. None without a mask."""
    losses: tuple[float, ...]
    """Loss of each step that was run now."""
    routing_drift: float | None = None
    """Share of a mixture's choices of experts, on the first examples, that are no longer made; None without experts."""
    entries_changed: int = 0
    """Entries that differ from the checkpoint in its own dtype: a small step is lost to rounding."""
    start_loss: float | None = None
    """Mean loss per response token of the model before training, on the last batch; None for preferences."""
    saved_loss: float | None = None
    """Mean loss per response token of the model as it is saved, on the last batch; None for preferences."""


def enhance(
    loaded: LoadedModel,
    mask: Mask | str | Path | None,
    refusals: Sequence[Exchange],
    harmless: Sequence[Exchange],
    options: EnhanceOptions = EnhanceOptions(),
    progress: Progress = silent,
    output_dir: str | Path | None = None,
    *,
    check_base: bool = True,
    just_loaded: bool = False,
) -> EnhanceResult:
    """Tunes the model in place; load it again for another arm.

    Args:
        loaded: the model to tune, as it was loaded.
        mask: what to train, or the path of its file; None trains everything by dense AdamW on the same examples.
        refusals: harmful prompts with safe responses.
        harmless: harmless prompts with helpful responses.
        options: length, rate, shares.
        progress: told after each step.
        output_dir: where checkpoints go, when `checkpoint_every` asks for them.
        check_base: whether to refuse a mask of another model.
        just_loaded: whether the weights are as `load_model` has just hashed them; else they are hashed again, and a
            model that has changed since is refused.

    Raises:
        ValueError: the mask or the data do not fit, or the loss or a weight is not finite.
        InvariantError: an entry outside the mask has changed.
    """
    require_loaded(loaded)
    require_options(options, EnhanceOptions)
    for name, records in (("refusals", refusals), ("harmless", harmless)):
        require_records(name, records, Exchange)
    mask = None if mask is None else as_mask(mask)
    output_dir = None if output_dir is None else Path(output_dir)
    refuse_adapters(loaded.model, WITHOUT_ADAPTERS)
    refuse_wrong_start(loaded, mask, check_base=check_base, just_loaded=just_loaded)
    refuse_none(refusals, harmless, options)
    train = _fine_tuning(loaded, mask, refusals, harmless, options, progress, output_dir)
    read = [*refusals, *harmless]
    last_batch = [read[place] for place in mix(len(refusals), len(harmless), options)[-options.batch_size :]]
    start_loss = mean_loss(loaded, last_batch, options) if options.objective == "sft" else None
    routed = routing(loaded, read)
    roles = frozen_roles(loaded.model, (), train_routers=options.train_routers)
    if mask is None:
        with frozen(loaded.model, roles), trained_in_float32(loaded) as kept:
            losses = train(dense_adamw(loaded.model, options), clip=True)
        patch, kept, base = None, kept_by_all(kept, loaded), fingerprint(loaded.model)
    else:
        made_by = {
            "method": "enhance",
            "options": options.model_dump(),
            "model": model_entry(loaded.name, loaded.base),
            **version(),
            "mask": dict(mask.made_by),
            "refusals": prompts_entry(refusals),
            "harmless": prompts_entry(harmless),
        }
        losses, patch, kept, base = _train_selected(loaded, mask, train, options, made_by)
    refuse_broken(loaded, options)
    warn_of_no_change(kept, loaded, options)
    saved_loss = mean_loss(loaded, last_batch, options) if options.objective == "sft" else None
    warn_of_worse(start_loss, saved_loss, options)
    trainable = sum(site.num_entries for site in list_sites(loaded.model) if site.role not in roles)
    trained = trainable if mask is None else len(mask)
    return EnhanceResult(
        tuned=replace(loaded, base=base),
        patch=patch and replace(patch, made_by={**patch.made_by, "tuned": {"fingerprint": base}}),
        entries_trained=trained,
        share_trained=trained / loaded.model.num_parameters(),
        untouched_identical=None if mask is None else True,
        losses=losses,
        routing_drift=routing_drift(routed, routing(loaded, read)),
        entries_changed=kept.changed,
        start_loss=start_loss,
        saved_loss=saved_loss,
    )


def _fine_tuning(
    loaded: LoadedModel,
    mask: Mask | None,
    refusals: Sequence[Exchange],
    harmless: Sequence[Exchange],
    options: EnhanceOptions,
    progress: Progress,
    output_dir: Path | None,
) -> Train:
    """What is left to say is the optimizer, and whether gradients are clipped."""
    unsafe, safe, training = refusals, harmless, None
    if options.objective == "dpo":
        how = {"max_new_tokens": options.own_tokens, "seed": options.seed, "progress": progress}
        unsafe, safe = make_preferences(loaded, refusals, harmless if options.harmless_share else (), **how)
        training = preferences(options.beta)
    return partial(
        fine_tune,
        loaded,
        [*unsafe, *safe],
        mix(len(unsafe), len(safe), options),
        options=options,
        label="enhancing",
        progress=progress,
        output_dir=output_dir,
        identity=[loaded.base, mask and mask_digest(mask)],
        training=training,
    )


def refuse_none(refusals: Sequence[Exchange], harmless: Sequence[Exchange], options: EnhanceOptions) -> None:
    """Raises ValueError when there is nothing of a kind that the examples are to have."""
    for what, records, share in (
        ("refusal", refusals, 1 - options.harmless_share),
        ("harmless", harmless, options.harmless_share),
    ):
        if share and not records:
            raise ValueError(
                f"there are no {what} exchanges to learn from; give at least one, or change harmless_share."
            )


def mix(num_unsafe: int, num_safe: int, options: EnhanceOptions) -> list[int]:
    """For each example its position among the unsafe and then the safe ones: spread evenly, each in shuffled order."""
    share, num_examples = options.harmless_share, options.iterations * options.batch_size
    is_harmless = [int((place + 1) * share) > int(place * share) for place in range(num_examples)]
    num_harmless = sum(is_harmless)
    positions = {
        False: iter(shuffled_positions(num_unsafe, num_examples - num_harmless, options.seed)),
        True: iter(shuffled_positions(num_safe, num_harmless, options.seed + 1)),
    }
    first = {False: 0, True: num_unsafe}
    return [first[kind] + next(positions[kind]) for kind in is_harmless]


def _train_selected(
    loaded: LoadedModel, mask: Mask, train: Train, options: EnhanceOptions, made_by: Meta
) -> tuple[tuple[float, ...], Patch, Kept, str]:
    """Trains the mask's entries; the last of what it returns is the fingerprint of the tuned model.

    With the former values put back the model has the fingerprint that it was loaded with: no other bit has moved.
    """
    model = loaded.model
    entries = masked_entries(model, mask)
    old_values = selected_values(model, mask, loaded.storage_dtype, loaded.stored_apart, check_base=False)
    former = {entry.name: entry.read_whole() for entry in entries}
    # The masters are float32 whatever the weights are: half precision is not widened where a device computes in it.
    precise = trained_in_float32(loaded, counted=False) if model.dtype == torch.float32 else nullcontext()
    with precise, freeze_unmasked(model, mask), _sparse_adamw(model, mask, options) as optimizer:
        losses, moved = train(optimizer, clip=False), optimizer.num_moved
    base, without = fingerprints_now_and_before(model, mask.indices, former)
    if without != loaded.base:
        raise InvariantError("entries outside the mask have changed while the masked ones were trained.")
    patch = make_patch(old_values, model, mask, made_by)
    changed = sum(int((patch.values[name] != old).sum()) for name, old in old_values.items())
    return losses, patch, Kept(sum(gathered(moved)) if is_sharded(model) else moved, changed), base


def _sparse_adamw(model: nn.Module, mask: Mask, options: EnhanceOptions) -> SparseAdamW:
    return SparseAdamW(
        model,
        mask,
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        check_base=False,  # refuse_wrong_start has
    )
