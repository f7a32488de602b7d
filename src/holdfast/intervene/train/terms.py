"""Trains by several losses in any Hugging Face trainer: its own loss, or another in its place, and more beside it

    step = (own loss + other losses).backward()      or, with a combination, one update from all gradients

Each other loss is propagated by itself. Without a combination the gradients add up as they come, so a second loss costs
its own forward and backward pass and no memory. Losses are means, and each micro-batch adds its share of a step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback

from holdfast.intervene.hold.protect import innermost
from holdfast.intervene.train.combine.update import Backward, Update
from holdfast.intervene.train.combine.weights import Combine
from holdfast.intervene.train.parts import Batch, Loss, OwnLoss, Parts, Start

Items = Tensor | int | None
"""Number of labelled tokens in a step, if the trainer knows it."""
TrainingStep = Callable[[nn.Module, Batch, Items], Tensor]
ComputeLoss = Callable[..., Tensor | tuple[Tensor, object]]


@dataclass(frozen=True)
class Added:
    """Additions of a method to a trainer."""

    losses: Sequence[Loss] = ()
    own_loss: OwnLoss | None = None
    """Replaces the loss of the trainer."""
    combine: Combine | None = None
    """Combines the gradients of all losses. None adds them up."""
    callbacks: Sequence[TrainerCallback] = ()


def added(parts: Parts, start: Start) -> Added:
    """Makes a method's losses and callbacks from the model as it is now.

    Raises:
        ValueError: the method combines several losses, and there is only one.
    """
    combine = parts.combine and parts.combine(start.options)
    if combine and not parts.losses:
        raise ValueError(
            "there is one loss, and gradients of several are to be combined; join a method that adds a loss, such as "
            "kl or replay."
        )
    return Added(
        [make(start) for make in parts.losses],
        parts.own_loss and parts.own_loss(start),
        combine,
        [make(start) for make in parts.callbacks],
    )


class Terms:
    """The losses of a trainer, whose methods `training_step`, `compute_loss` and `log` call `step`, `own` and `log`."""

    def __init__(self, trainer: Trainer, added: Added) -> None:
        self._trainer, self._losses, self._own_loss = trainer, added.losses, added.own_loss
        self._update = Update(added.combine) if added.combine else None
        self._is_training, self._step, self._micro_batch = False, -1, 0
        self._unlogged: Tensor | float = 0.0
        self._unlogged_steps = 0

    def step(self, propagate: TrainingStep, model: nn.Module, inputs: Batch, num_items: Items) -> Tensor:
        """Runs one micro-batch, and returns the sum of its losses.

        Args:
            propagate: the trainer's own `training_step`.
            model: the model as the trainer calls it.
            inputs: the micro-batch.
            num_items: number of labelled tokens in the step, if the trainer knows it.
        """
        number = self._number()
        own = partial(self._propagate_own, propagate, model, inputs, num_items)
        others = [partial(self._propagate, loss, model, inputs, number) for loss in self._losses]
        if self._update is None:
            return sum((each() for each in others), own())
        return self._combined([own, *others])

    def own(
        self,
        compute: ComputeLoss,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Items = None,
    ) -> Tensor | tuple[Tensor, object]:
        """Computes the loss that replaces the trainer's in training, or the trainer's by its own `compute_loss`."""
        if self._own_loss is None or not self._is_training:
            return compute(model, inputs, return_outputs, num_items_in_batch)
        is_share = self._trainer.model_accepts_loss_kwargs and num_items_in_batch is not None
        return self._own_loss(model, inputs, num_items_in_batch if is_share else None)

    def log(self, log: Callable[..., None], logs: dict[str, float], *others: object, **named: object) -> None:
        """Logs by the trainer's own `log`, with the mean of the added losses since the last time as `safety_loss`."""
        if self._losses and self._unlogged_steps and "loss" in logs:
            logs = {**logs, "safety_loss": float(self._unlogged) / self._unlogged_steps}
            self._unlogged, self._unlogged_steps = 0.0, 0
        log(logs, *others, **named)

    def _combined(self, losses: Sequence[Backward]) -> Tensor:
        assert self._update is not None
        optimizer = self._trainer.optimizer
        assert isinstance(optimizer, torch.optim.Optimizer)
        groups = innermost(optimizer).param_groups
        weights = [weight for group in groups for weight in group["params"]]
        return self._update(losses, weights, is_last=self._trainer.accelerator.sync_gradients)

    def _number(self) -> int:
        """Returns the number of this micro-batch since the start of the training, resumed or not."""
        step = self._trainer.state.global_step
        self._micro_batch = self._micro_batch + 1 if step == self._step else 0
        self._unlogged_steps += self._micro_batch == 0
        self._step = step
        return step * self._trainer.args.gradient_accumulation_steps + self._micro_batch

    def _propagate_own(self, propagate: TrainingStep, model: nn.Module, inputs: Batch, num_items: Items) -> Tensor:
        self._is_training = True
        try:
            return propagate(model, inputs, num_items)
        finally:
            self._is_training = False

    def _propagate(self, loss: Loss, model: nn.Module, inputs: Batch, number: int) -> Tensor:
        trainer = self._trainer
        with trainer.compute_loss_context_manager():
            share = loss(model, inputs, number) / trainer.current_gradient_accumulation_steps
        trainer.accelerator.backward(share)
        self._unlogged = self._unlogged + share.detach()
        return share.detach()
