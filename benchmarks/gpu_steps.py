"""What a training step costs on real shapes: SET and SPA beside full fine-tuning, LoRA and the released masked AdamW.

All have the weights in bfloat16, and dense moments too (holdfast trains dense weights in float32, of which a device of
80 GB holds those of 5B at most). A step is forward, backward and optimizer on one batch of random tokens.
"""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from gpu_meter import Meter, middle
from torch import Tensor, nn
from transformers import PreTrainedModel

from holdfast.intervene.hold.protect import protect
from holdfast.intervene.options import LoraOptions
from holdfast.intervene.train.adapters import adapters
from holdfast.intervene.train.sparse_adamw import SparseAdamW, freeze_unmasked
from holdfast.models.sites import scored_sites
from holdfast.values import Mask, entries_in

STEPS = 5
"""And one before them, which warms up."""
RATE, RANK = 1e-5, 8
Training = tuple[nn.Module, torch.optim.Optimizer]


class MaskedAdamW(torch.optim.Optimizer):
    """AdamW with dense moments whose update is multiplied with a dense mask, as the code of arXiv 2604.08297 has it."""

    def __init__(self, weights: Mapping[str, Tensor], mask: Mask, lr: float = RATE) -> None:
        super().__init__(list(weights.values()), {"lr": lr})
        self._masks = {id(weight): _dense(mask, name, weight) for name, weight in weights.items()}

    @torch.no_grad()
    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One after another, as that code does."""
        for group in self.param_groups:
            for weight in group["params"]:
                self._update(weight, group["lr"])

    def _update(self, weight: Tensor, rate: float) -> None:
        state = self.state[weight]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(weight), "square": torch.zeros_like(weight)}
        state["step"] += 1
        state["mean"].lerp_(weight.grad, 0.1)
        state["square"].mul_(0.999).addcmul_(weight.grad, weight.grad, value=0.001)
        root = state["square"].sqrt().div_((1 - 0.999 ** state["step"]) ** 0.5).add_(1e-8)
        update = state["mean"] / root / (1 - 0.9 ** state["step"])
        weight.add_(update.mul_(self._masks[id(weight)]), alpha=-rate)


def _dense(mask: Mask, name: str, weight: Tensor) -> Tensor:
    chosen = torch.zeros(weight.numel(), dtype=torch.bool, device=weight.device)
    chosen[mask[name].to(weight.device)] = True
    return chosen.view_as(weight)


def scattered_mask(model: PreTrainedModel, fraction: float) -> Mask:
    """About this share of every scored matrix: positions are drawn, and those that come twice count once."""
    generator = torch.Generator().manual_seed(0)
    shapes = {site.name: site.shape for site in scored_sites(model)}
    indices = {
        name: torch.randint(
            entries_in(shape), (max(1, int(fraction * entries_in(shape))),), generator=generator
        ).unique()
        for name, shape in shapes.items()
    }
    return Mask(indices, shapes, "", model.num_parameters())


@contextmanager
def set_of(model: PreTrainedModel, mask: Mask) -> Iterator[Training]:
    """Masked entries alone, with float32 masters."""
    with freeze_unmasked(model, mask), SparseAdamW(model, mask, lr=RATE, check_base=False) as optimizer:
        yield model, optimizer


@contextmanager
def spa_of(model: PreTrainedModel, mask: Mask) -> Iterator[Training]:
    """All weights, the masked entries held."""
    with full_of(model, mask) as (_, optimizer), protect(optimizer, mask, model, check_base=False):
        yield model, optimizer


@contextmanager
def full_of(model: PreTrainedModel, mask: Mask) -> Iterator[Training]:
    """All weights."""
    yield model, torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0, fused=True)


@contextmanager
def lora_of(model: PreTrainedModel, mask: Mask) -> Iterator[Training]:
    """Adapters on the linear layers."""
    with adapters(model, LoraOptions(rank=RANK), seed=0) as adapted:
        weights = [weight for weight in adapted.parameters() if weight.requires_grad]
        yield adapted, torch.optim.AdamW(weights, lr=RATE, fused=True)


@contextmanager
def masked_of(model: PreTrainedModel, mask: Mask) -> Iterator[Training]:
    """The scored matrices with dense moments and masks."""
    with freeze_unmasked(model, mask):
        yield model, MaskedAdamW({name: model.get_parameter(name) for name in mask.indices}, mask)


ARMS: Mapping[str, Callable] = {"SET": set_of, "SPA": spa_of, "full": full_of, "LoRA": lora_of, "masked": masked_of}


def random_tokens(model: PreTrainedModel, rows: int, length: int) -> Tensor:
    """A batch of nothing."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(model.config.vocab_size, (rows, length), generator=generator).to(model.device)


def activations(model: PreTrainedModel, mask: Mask, rows: int, length: int, meter: Meter) -> float:
    """Bytes of forward and backward beside the weights, where every gradient of SET is let go as it is complete."""
    token_ids = random_tokens(model, rows, length)
    weights = [model.get_parameter(name) for name in mask.indices]
    hooks = [weight.register_post_accumulate_grad_hook(_let_go) for weight in weights]
    meter.forget_peak()
    before = meter.allocated()
    try:
        with freeze_unmasked(model, mask):
            model.train()(input_ids=token_ids, labels=token_ids, use_cache=False).loss.backward()
    finally:
        for hook in hooks:
            hook.remove()
    return meter.peak() - before


def _let_go(weight: Tensor) -> None:
    weight.grad = None


def measure_steps(
    arm: str, model: PreTrainedModel, mask: Mask, rows: int, length: int, meter: Meter
) -> dict[str, object]:
    """Seconds of a step's parts, the optimizer's share, and peak memory; or that memory ran out."""
    token_ids, times = random_tokens(model, rows, length), []
    meter.forget_peak()
    try:
        with ExitStack() as stack:
            trained, optimizer = stack.enter_context(ARMS[arm](model.train(), mask))
            for _ in range(STEPS + 1):
                times.append(_step(trained, optimizer, token_ids, meter))
            peak = meter.peak()
    except torch.OutOfMemoryError:
        return {"out_of_memory": True}
    finally:
        model.zero_grad(set_to_none=True)
        gc.collect()
    figures = middle(times[1:])
    share = figures["optimizer_s"] / (figures["forward_s"] + figures["backward_s"])
    return {
        **figures,
        "step_s": round(sum(figures.values()), 5),
        "optimizer_share": round(share, 4),
        "peak_gb": round(peak / 1e9, 2),
    }


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, token_ids: Tensor, meter: Meter) -> dict[str, float]:
    losses: list[Tensor] = []
    forward = meter.seconds(lambda: losses.append(model(input_ids=token_ids, labels=token_ids, use_cache=False).loss))
    backward = meter.seconds(losses.pop().backward)

    def update() -> None:
        optimizer.step()
        optimizer.zero_grad()

    return {"forward_s": forward, "backward_s": backward, "optimizer_s": meter.seconds(update)}
