"""loss = weight * mean over exchanges of the mean of -log p(response token)   (of exchanges beside the task's)

Mixing exchanges into the task's batches gives one loss. This keeps them apart, for GAPO and the other combinations, and
for a trainer whose data set is a user's own. There the weight is share / (1 - share), so that the losses of task and
safety stand to each other as if that share of a batch were safety exchanges.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from holdfast.intervene.train.parts import Batch, Loss, MakeLoss, Start
from holdfast.intervene.train.preserve.extra_rows import ExtraRows


def response_loss(per_step: int, weight: float = 1.0) -> MakeLoss:
    """Returns the maker of a loss over so many exchanges a step."""

    def make(start: Start) -> Loss:
        rows = ExtraRows(start, per_step)

        def loss(model: nn.Module, inputs: Batch, micro_batch: int) -> Tensor:
            read = rows.read(model, micro_batch)
            return weight * torch.stack([cross_entropy(each.logits, each.targets) for each in read]).mean()

        return loss

    return make


def per_step(share: float, batch_size: int) -> int:
    """Returns the number of exchanges that are this share of a batch, and at least 1."""
    return max(1, round(share * batch_size))
