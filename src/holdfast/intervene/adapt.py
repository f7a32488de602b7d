"""SPA, safety preserving adaptation: fine-tune the whole model on a task but for the entries that hold its safety.

The entries of the mask keep their values bit for bit (Qi et al. 2026, arXiv 2604.08297: at most one point of safety
lost in 1,000 iterations), under any optimizer, with weight decay and momentum on. It protects against accidents, not
against somebody who wants the safety gone (arXiv 2402.05162). Without a mask this is plain fine-tuning on the same
batches.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import Field
from torch import nn
from transformers import PreTrainedModel

from holdfast.intervene.entries import masked_entries, refuse_changed
from holdfast.intervene.protect import protect
from holdfast.intervene.sft import (
    SftOptions,
    dense_adamw,
    fine_tune,
    mask_digest,
    refuse_broken,
    refuse_wrong_start,
    shuffled_positions,
    trained_in_float32,
)
from holdfast.models.load import LoadedModel, fingerprint
from holdfast.models.sites import Role, list_sites
from holdfast.progress import Progress, silent
from holdfast.prompts.records import Exchange
from holdfast.values import Mask


class AdaptOptions(SftOptions):
    """Options of SPA."""

    iterations: int = Field(default=1000, ge=1)
    """Optimizer steps."""
    freeze: tuple[Role, ...] = ()
    """Roles of parameters that are not trained at all, mask or not. Scores do not cover embeddings and head, so a mask
    can't hold them: where those are trained, safety can leave through them. `--freeze embedding --freeze head`."""


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


def adapt(
    loaded: LoadedModel,
    mask: Mask | None,
    exchanges: Sequence[Exchange],
    options: AdaptOptions = AdaptOptions(),
    progress: Progress = silent,
    output_dir: Path | None = None,
    make_optimizer: Callable[[nn.Module], torch.optim.Optimizer] | None = None,
) -> AdaptResult:
    """Fine-tunes the model in place; load it again for another arm.

    Args:
        loaded: the model to tune, as it was loaded.
        mask: what to hold; None holds nothing.
        exchanges: the task.
        options: length, rate and the like.
        progress: told after each step.
        output_dir: where checkpoints go, when `checkpoint_every` asks for them.
        make_optimizer: any torch optimizer for the model, in place of fused AdamW.

    Raises:
        ValueError: the mask or the data do not fit, or the loss or a weight is not finite.
        InvariantError: a protected entry has changed.
    """
    refuse_wrong_start(loaded, mask)
    if not exchanges:
        raise ValueError("there are no exchanges to adapt to; give at least one.")
    model = loaded.model
    entries = [] if mask is None else masked_entries(model, mask)
    held = [entry.read() for entry in entries]
    with frozen(model, options.freeze), trained_in_float32(loaded):
        optimizer = make_optimizer(model) if make_optimizer else dense_adamw(model, options)
        with nullcontext() if mask is None else protect(optimizer, mask, model):
            losses = fine_tune(
                loaded,
                exchanges,
                shuffled_positions(len(exchanges), options.iterations * options.batch_size, options.seed),
                optimizer,
                options,
                label="adapting",
                clip=True,
                progress=progress,
                output_dir=output_dir,
                identity=[loaded.base, mask and mask_digest(mask)],
            )
    refuse_broken(loaded, options)
    refuse_changed(entries, held)
    return AdaptResult(
        tuned=replace(loaded, base=fingerprint(model)),
        entries_protected=0 if mask is None else len(mask),
        protected_identical=None if mask is None else True,
        losses=losses,
    )


@contextmanager
def frozen(model: PreTrainedModel, roles: Sequence[Role]) -> Iterator[None]:
    """While this lasts, parameters of these roles need no gradient.

    Raises:
        ValueError: a role has no parameter in this model; a head tied to the embedding is the embedding's.
    """
    sites = list_sites(model)
    if missing := sorted(set(roles) - {site.role for site in sites}):
        known = ", ".join(sorted({site.role for site in sites}))
        raise ValueError(f"freeze: {type(model).__name__} has no {missing[0]} of its own to freeze; it has {known}.")
    chosen = {site.name for site in sites if site.role in roles}
    held = [weight for name, weight in model.named_parameters() if name in chosen and weight.requires_grad]
    try:
        for weight in held:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in held:
            weight.requires_grad_(True)
