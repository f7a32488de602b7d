"""The inputs of one fine-tuning that all parts of a method share: the model, the mask, and the optimizer's maker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from transformers import PreTrainedModel

from holdfast.intervene.method_options import MethodOptions
from holdfast.intervene.options import SftOptions
from holdfast.models.load import LoadedModel
from holdfast.models.options import Role
from holdfast.records import Exchange
from holdfast.values import Mask

MakeOptimizer = Callable[[nn.Module], torch.optim.Optimizer]
Refresh = Callable[[PreTrainedModel], Mask]


@dataclass(frozen=True)
class Tuning:
    """A model to tune, with its mask and options."""

    loaded: LoadedModel
    mask: Mask | None
    options: SftOptions
    make_optimizer: MakeOptimizer
    """Makes the optimizer for methods that train all weights."""
    frozen: tuple[Role, ...] = ()
    """Roles of parameters that are not trained."""
    method: MethodOptions = field(default_factory=MethodOptions)
    """Options of the method."""
    extra: Sequence[Exchange] = ()
    """Exchanges that the method's losses read in addition to the task's."""
    refresh: Refresh | None = None
    """Makes a new mask from the model in training, for a method that holds several masks in turn."""

    @property
    def model(self) -> nn.Module:
        """The model, with its adapters if it has any."""
        return self.loaded.model

    @property
    def selected(self) -> Mask:
        """The mask, for methods that need one."""
        assert self.mask is not None  # `method_for` refuses such a method without a mask
        return self.mask
