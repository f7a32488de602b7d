"""loss = task loss + lambda * KL(p_start || p_theta) on the start model's own answers to safety prompts

KL is the mean over the response tokens of an answer, in nats, then over answers. 0 means that the model would answer as
the start model did. A common regulariser, for which we know no paper to name first.

Ours: the start's probabilities are stored for the largest few tokens, and all other tokens count as one. That is a
lower bound of the KL divergence, exact if `stored_logits` covers the vocabulary. No second model stays in memory.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from holdfast.intervene.train.parts import Batch, Loss, Parts, Start
from holdfast.intervene.train.preserve.extra_rows import ExtraRows
from holdfast.intervene.train.preserve.stored_logits import Stored, store

LEAST = 1e-8
"""Least probability of all tokens that are not stored, so that its logarithm is finite."""


def make(start: Start) -> Loss:
    """Makes the loss, with the option's weight."""
    divergence = divergence_from(start)
    return lambda model, inputs, micro_batch: start.options.safety_weight * divergence(model, inputs, micro_batch)


def divergence_from(start: Start) -> Loss:
    """Makes the mean KL divergence from the start model, which is given as it is now."""
    rows = ExtraRows(start, start.options.safety_batch)
    stored = store(start.model, rows, start.options.stored_logits)

    def loss(model: nn.Module, inputs: Batch, micro_batch: int) -> Tensor:
        read = rows.read(model, micro_batch)
        return torch.stack([divergence(stored[each.position], each.logits).mean() for each in read]).mean()

    return loss


def divergence(start: Stored, logits: Float[Tensor, "token vocabulary"]) -> Float[Tensor, " token"]:
    """Returns KL(p_start || p_theta) of every token, with all tokens that are not stored as one."""
    log_start = start.log_probs
    log_now = start.gather(logits) - logits.logsumexp(dim=1, keepdim=True)
    kept = (log_start.exp() * (log_start - log_now)).sum(dim=1)
    if start.index.shape[1] == logits.shape[1]:
        return kept
    rest_start, rest_now = _rest(log_start), _rest(log_now)
    return kept + rest_start * (rest_start.log() - rest_now.log())


def _rest(log_probs: Float[Tensor, "token kept"]) -> Float[Tensor, " token"]:
    """Probability of all other tokens together."""
    return (1 - log_probs.exp().sum(dim=1)).clamp(min=LEAST)


PARTS = Parts(losses=(make,), is_zero_at_start=True)
