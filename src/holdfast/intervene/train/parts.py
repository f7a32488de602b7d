"""The parts of a method of fine-tuning: losses, combination of gradients, held entries, callbacks, and an ending.

Each file of a method defines its `PARTS`, and the table in `methods.py` names it. Several methods are joined part by
part, as in `spa+replay`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.train.afterwards import Afterwards, nothing
from holdfast.intervene.train.combine.weights import Combine
from holdfast.intervene.train.holds import NOTHING, Hold
from holdfast.intervene.train.one_tuning import Refresh
from holdfast.intervene.train.within_context import Row
from holdfast.records import Exchange
from holdfast.values import Mask

Batch = dict[str, Tensor]
"""Micro-batch that the trainer has collated."""
Loss = Callable[[nn.Module, Batch, int], Tensor]
"""Returns the mean loss over a micro-batch, which is given with its number since the start of the training."""
OwnLoss = Callable[[nn.Module, Batch, Tensor | int | None], Tensor]
"""Replaces the trainer's loss. It gets the micro-batch and the number of the step's labelled tokens, if it is known,
and returns the micro-batch's share of the step's mean."""


@dataclass(frozen=True)
class Start:
    """The model before training, with everything from which losses and callbacks are made."""

    model: PreTrainedModel
    """The model, with its adapters if it has any."""
    tokenizer: PreTrainedTokenizerBase
    options: MethodOptions
    extra: Sequence[Exchange] = ()
    """Exchanges in addition to the task's, such as safety prompts with the start model's own answers."""
    rows: Callable[[], Iterable[Row]] = list
    """Returns the token ids and labels of the task's examples."""
    micro_batches: int = 1
    """Number of micro-batches in a step."""
    max_length: int = 2048
    """Largest number of tokens in an exchange."""
    seed: int = 0
    mask: Mask | None = None
    refresh: Refresh | None = None
    """Makes a new mask from the model in training."""


MakeLoss = Callable[[Start], Loss]
"""Makes a loss. It is called once before training, so that the loss can keep values of the start."""
MakeOwnLoss = Callable[[Start], OwnLoss]
MakeCombine = Callable[[MethodOptions], Combine]
MakeCallback = Callable[[Start], TrainerCallback]


@dataclass(frozen=True)
class Parts:
    """The parts of a method. Those of plain fine-tuning are the defaults."""

    losses: tuple[MakeLoss, ...] = ()
    """Losses in addition to that of the examples."""
    own_loss: MakeOwnLoss | None = None
    """Replaces the loss of the examples."""
    combine: MakeCombine | None = None
    """Combines the gradients of all losses into one. None adds them up."""
    is_zero_at_start: bool = False
    """Tells whether its losses have no gradient at the start, so that one of length 1 would be noise."""
    hold: Hold = NOTHING
    """Entries that stay fixed during training."""
    callbacks: tuple[MakeCallback, ...] = ()
    """Callbacks of the trainer."""
    afterwards: Afterwards = nothing
    """Step on the trained model."""

    @property
    def is_alone(self) -> bool:
        """Tells whether the training has to run in one process."""
        return bool(self.losses or self.own_loss or self.combine or self.callbacks)


DEFAULTS = Parts()
SINGLE: Mapping[str, str] = {
    "own_loss": "replace the loss of the task",
    "combine": "combine the gradients",
    "hold": "hold entries",
    "afterwards": "take a step after training",
}
"""Parts that a training has once, and what they do."""


def joined(parts: Mapping[str, Parts]) -> Parts:
    """Joins the parts of several methods, which are given by name.

    Raises:
        ValueError: two of them have a part that a training has once, or train selected entries with a callback.
    """
    whole = Parts(
        losses=tuple(make for each in parts.values() for make in each.losses),
        callbacks=tuple(make for each in parts.values() for make in each.callbacks),
        **{field: _only(field, parts) for field in SINGLE},
    )
    _refuse_noise(parts)
    if whole.hold.is_sparse and (whole.callbacks or whole.own_loss):
        others = [name for name, each in parts.items() if not each.hold.is_sparse]
        raise ValueError(
            f"method {'+'.join(parts)} trains a mask's entries alone, and {others[-1]} needs all; leave one out."
        )
    return whole


def _refuse_noise(parts: Mapping[str, Parts]) -> None:
    """Raises ValueError where a loss without a gradient at the start would decide what all losses may do."""
    at_zero = [name for name, each in parts.items() if each.is_zero_at_start]
    combining = [name for name, each in parts.items() if each.combine]
    if at_zero and combining:
        raise ValueError(
            f"the loss of {at_zero[0]} has no gradient at the start, so {combining[0]} would take noise for it, or "
            "never begin; combine the task with replay or mixed."
        )


def _only(field: str, parts: Mapping[str, Parts]):
    default = getattr(DEFAULTS, field)
    having = {name: getattr(each, field) for name, each in parts.items() if getattr(each, field) is not default}
    if len(having) > 1:
        first, second, *_ = having
        raise ValueError(f"methods {first} and {second} can't be joined, because both {SINGLE[field]}; leave one out.")
    return next(iter(having.values()), default)
