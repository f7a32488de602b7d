"""One fine-tuning, as the parts of a method see it: the model, the mask, and how the optimizer is made."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from holdfast.intervene.options import SftOptions
from holdfast.models.load import LoadedModel
from holdfast.models.options import Role
from holdfast.values import Mask

MakeOptimizer = Callable[[nn.Module], torch.optim.Optimizer]


@dataclass(frozen=True)
class Tuning:
    """A model that is to be tuned, and how."""

    loaded: LoadedModel
    mask: Mask | None
    options: SftOptions
    make_optimizer: MakeOptimizer
    """Makes the optimizer of a training of all weights."""
    frozen: tuple[Role, ...] = ()
    """Roles of parameters that are not trained."""

    @property
    def model(self) -> nn.Module:
        """The model, with its adapters while it has any."""
        return self.loaded.model

    @property
    def selected(self) -> Mask:
        """The mask of a method that needs one."""
        assert self.mask is not None  # `method_for` has refused such a method without one
        return self.mask
