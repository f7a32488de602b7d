"""loss = task loss + alpha * mean (z_theta - z_start)^2 over logits z on the start model's own answers

Dark experience replay (Buzzega et al. 2020, arXiv 2004.07211), applied to the safety of fine-tuned models in arXiv
2512.10150, of which we read the abstract alone. The unit is squared logits.

Ours: the replayed exchanges are safety prompts with the start model's own answers, not a reservoir of earlier data. The
mean is over the largest few logits of every response token, which are stored.
"""

import torch
from torch import Tensor, nn

from holdfast.intervene.train.parts import Batch, Loss, Parts, Start
from holdfast.intervene.train.preserve.extra_rows import ExtraRows
from holdfast.intervene.train.preserve.stored_logits import store


def make(start: Start) -> Loss:
    """Makes the loss, with the option's weight."""
    rows = ExtraRows(start, start.options.safety_batch)
    stored = store(start.model, rows, start.options.stored_logits)

    def loss(model: nn.Module, inputs: Batch, micro_batch: int) -> Tensor:
        distances = [
            (stored[each.position].gather(each.logits) - stored[each.position].logits).square().mean()
            for each in rows.read(model, micro_batch)
        ]
        return start.options.safety_weight * torch.stack(distances).mean()

    return loss


PARTS = Parts(losses=(make,), is_zero_at_start=True)
