"""Constrained SFT: loss = mean over response tokens t of w_t * -log p_theta(t)

    w_t = max(0.001, 2 (1 - sigmoid(beta_t (log p_theta(t) - log p_start(t))))),    without a gradient

A token that became likelier than in the start model weighs less than 1, so the first tokens of a response, which decide
on refusal, move little. beta is 0.5 for the first token, 2 for the second to fifth, and 0.1 for all later ones. Qi et
al. 2025 (arXiv 2406.05946, ICLR 2025). The weights, the betas and the floor are those of the released code.

It needs no safety data. Ours: log p_start of the task's examples is computed once, before training.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from holdfast.intervene.train.examples import IGNORED
from holdfast.intervene.train.parts import Batch, OwnLoss, Parts, Start
from holdfast.intervene.train.preserve.extra_rows import padded

FLOOR = 1e-3
FEW = 5
"""Last token of a response with the second beta, counted from 1."""


def make(start: Start) -> OwnLoss:
    """Makes the loss, with the start model's log-probabilities of every example of the task."""
    known = _of_start(start)
    betas = start.options.constraint

    def loss(model: nn.Module, inputs: Batch, num_tokens: Tensor | int | None) -> Tensor:
        labels = inputs["labels"]
        now = label_log_probs(model, inputs["input_ids"], inputs["attention_mask"], labels)
        of_start = torch.zeros_like(now)
        for place, (key, row) in enumerate(zip(_keys(inputs), labels, strict=True)):
            of_start[place][row[1:] != IGNORED] = _known(known, key).to(now.device)
        is_response = labels[:, 1:] != IGNORED
        total = (-now * token_weights(now, of_start, labels, betas))[is_response].sum()
        return total / (is_response.sum() if num_tokens is None else num_tokens)

    return loss


@torch.no_grad()
def token_weights(
    now: Float[Tensor, "batch token"],
    of_start: Float[Tensor, "batch token"],
    labels: Int[Tensor, "batch all"],
    betas: tuple[float, float, float],
) -> Float[Tensor, "batch token"]:
    """Returns the weight of every predicted token, given its log-probabilities now and in the start model."""
    first, few, later = betas
    place = _place_in_response(labels)[:, 1:]
    beta = torch.where(place <= 1, first, torch.where(place <= FEW, few, later))
    return (2 * torch.sigmoid(-beta * (now - of_start))).clamp(min=FLOOR)


def _place_in_response(labels: Int[Tensor, "batch all"]) -> Int[Tensor, "batch all"]:
    """Numbers the tokens of every response from 1, also where a row holds several responses."""
    is_response = labels != IGNORED
    count = is_response.long().cumsum(dim=1)
    before = torch.where(is_response, 0, count).cummax(dim=1).values
    return count - before


def label_log_probs(
    model: nn.Module, ids: Int[Tensor, "batch all"], mask: Int[Tensor, "batch all"], labels: Int[Tensor, "batch all"]
) -> Float[Tensor, "batch token"]:
    """Returns log p of every labelled token from the second on, and 0 for the others."""
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
    targets = labels[:, 1:]
    chosen = logits.gather(2, targets.clamp(min=0).unsqueeze(2)).squeeze(2)
    return torch.where(targets == IGNORED, 0.0, chosen - logits.logsumexp(dim=2))


@torch.no_grad()
def _of_start(start: Start) -> Mapping[bytes, Tensor]:
    known: dict[bytes, Tensor] = {}
    device = next(start.model.parameters()).device
    for row in start.rows():
        ids, mask = padded([row["input_ids"]], device)
        labels = torch.tensor([row["labels"]], device=device)
        [key] = _keys({"input_ids": ids, "attention_mask": mask, "labels": labels})
        if key not in known:
            log_probs = label_log_probs(start.model, ids, mask, labels)
            known[key] = log_probs[labels[:, 1:] != IGNORED].cpu()
    return known


def _keys(inputs: Batch) -> list[bytes]:
    """Identifies the rows of a batch by their token ids and labels, without padding."""
    rows = torch.stack([inputs["input_ids"], inputs["labels"]], dim=1).cpu()
    return [
        row[:, mask.bool()].numpy().tobytes() for row, mask in zip(rows, inputs["attention_mask"].cpu(), strict=True)
    ]


def _known(known: Mapping[bytes, Tensor], key: bytes) -> Tensor:
    if key not in known:
        raise ValueError(
            "constrained needs the start model's log-probabilities of every example, and the trainer made a batch with "
            "another row than those of its data set; train without packing, and on the same tokens in every epoch."
        )
    return known[key]


PARTS = Parts(own_loss=make)
