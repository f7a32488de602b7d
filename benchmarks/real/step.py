r"""What does a training step cost under SET, SPA and LoRA, beside plain fine-tuning of all weights? On a real model.

Whole steps in float32 of 8 exchanges of 160 tokens, of which the last half is the response: forward, backward, fused
AdamW. The four arms take turns, so that other work on the machine slows all alike. SET trains a random 1% of the scored
entries, SPA holds the same 1% while all else is trained, LoRA trains adapters of rank 16 on every linear layer.

The optimizer's share is `step()`, `zero_grad()` and the hooks on gradients that SET and SPA add to the backward pass.
Seconds are those of the processor, which other processes stretch less; wall seconds are reported beside. Bars: a SET
step at most 0.8 of a plain one, a SPA step at most 1.05, SET's optimizer at most 0.25 of dense fused AdamW. The last
line on stdout is JSON; the exit code is 1 when a bar falls.

    OMP_NUM_THREADS=1 PYTHONPATH=src:. python benchmarks/real/step.py MODEL [--steps 7]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from statistics import median

import torch
from benchmarks.subjects import random_mask
from torch import Tensor, nn
from transformers import PreTrainedModel

from holdfast.allocator import keep_freed_memory
from holdfast.intervene.hold.protect import protect
from holdfast.intervene.options import EnhanceOptions, LoraOptions
from holdfast.intervene.train.adapters import adapters
from holdfast.intervene.train.sparse_adamw import SparseAdamW, freeze_unmasked
from holdfast.intervene.train.trainer import dense_adamw
from holdfast.models.load import load_model
from holdfast.values import Mask

FRACTION, RANK = 0.01, 16
BATCH, TOKENS = 8, 160
BARS = {"SET": 0.8, "SPA": 1.05, "SET_optimizer": 0.25}


@dataclass
class Clock:
    """Adds up processor and wall seconds."""

    processor: float = 0.0
    wall: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.processor += time.process_time() - processor


@dataclass
class Arm:
    """One way to train, and what each of its steps took."""

    around: Callable[[], AbstractContextManager[tuple[nn.Module, torch.optim.Optimizer]]]
    """Makes what a step needs, which is not timed: the model as it is trained, and its optimizer."""
    steps: list[Clock] = field(default_factory=list)
    shares: list[Clock] = field(default_factory=list)
    """The optimizer's share of each step."""

    def step(self, token_ids: Tensor, labels: Tensor) -> None:
        """Takes one timed step."""
        whole, share = Clock(), Clock()
        with self.around() as (model, optimizer), hooks_timed(model, share), whole.running():
            model(input_ids=token_ids, labels=labels, use_cache=False).loss.backward()
            with share.running():
                optimizer.step()
                optimizer.zero_grad()
        self.steps.append(whole)
        self.shares.append(share)


@contextmanager
def hooks_timed(model: nn.Module, clock: Clock) -> Iterator[None]:
    """While this lasts, hooks on complete gradients run on the clock."""

    def timed(hook: Callable[[Tensor], None]) -> Callable[[Tensor], None]:
        def run(weight: Tensor) -> None:
            with clock.running():
                hook(weight)

        return run

    tables = [weight._post_accumulate_grad_hooks or {} for weight in model.parameters()]
    before = [dict(table) for table in tables]
    for table in tables:
        table.update({key: timed(hook) for key, hook in table.items()})
    try:
        yield
    finally:
        for table, hooks in zip(tables, before, strict=True):
            table.update({key: hook for key, hook in hooks.items() if key in table})


def arms_of(model: PreTrainedModel, mask: Mask, stack: ExitStack) -> dict[str, Arm]:
    """The four arms. SET trains a copy of the model; the others train one in turn, and LoRA begins anew each time."""
    options = EnhanceOptions(learning_rate=1e-6)
    dense = dense_adamw(model, options)
    tuned = deepcopy(model)
    stack.enter_context(freeze_unmasked(tuned, mask))
    sparse = stack.enter_context(SparseAdamW(tuned, mask, lr=1e-6, check_base=False))

    @contextmanager
    def held() -> Iterator[tuple[nn.Module, torch.optim.Optimizer]]:
        with protect(dense, mask, model, check_base=False):
            yield model, dense

    @contextmanager
    def adapted() -> Iterator[tuple[nn.Module, torch.optim.Optimizer]]:
        with adapters(model, LoraOptions(rank=RANK), 0) as with_adapters:
            yield with_adapters, dense_adamw(with_adapters, options)

    return {
        "plain": Arm(lambda: nullcontext((model, dense))),
        "SET": Arm(lambda: nullcontext((tuned, sparse))),
        "SPA": Arm(held),
        "LoRA": Arm(adapted),
    }


def medians(clocks: Sequence[Clock]) -> tuple[float, float]:
    """The median processor and wall seconds, without the first step, which warms up."""
    return median(one.processor for one in clocks[1:]), median(one.wall for one in clocks[1:])


def figures_of(arms: dict[str, Arm]) -> dict[str, dict[str, float]]:
    """Seconds of a step of each arm, of its optimizer, and their ratios to plain training."""
    plain, plain_share = medians(arms["plain"].steps), medians(arms["plain"].shares)
    figures = {}
    for name, arm in arms.items():
        whole, share = medians(arm.steps), medians(arm.shares)
        figures[name] = {
            "step_s": round(whole[0], 3),
            "step_wall_s": round(whole[1], 3),
            "optimizer_s": round(share[0], 4),
            "step_ratio": round(whole[0] / plain[0], 3),
            "optimizer_ratio": round(share[0] / plain_share[0], 3),
        }
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder, hub id or testbed:NAME")
    parser.add_argument("--steps", type=int, default=7, help="timed steps of each arm")
    parser.add_argument("--batch", type=int, default=BATCH, help="exchanges of a step; the bars are for the default")
    chosen = parser.parse_args(arguments)
    loaded = load_model(chosen.model, dtype="float32")
    mask = random_mask(loaded.model, FRACTION)
    vocabulary = loaded.model.config.get_text_config().vocab_size
    token_ids = torch.randint(0, vocabulary, (chosen.batch, TOKENS), generator=torch.Generator().manual_seed(0))
    labels = token_ids.index_fill(1, torch.arange(TOKENS // 2), -100)
    loaded.model.train()
    keep_freed_memory()  # as the commands do
    with ExitStack() as stack:
        arms = arms_of(loaded.model, mask, stack)
        for _ in range(chosen.steps + 1):
            for name, arm in arms.items():
                arm.step(token_ids, labels)
                print(name, arm.steps[-1], "optimizer:", arm.shares[-1], file=sys.stderr, flush=True)
    figures = figures_of(arms)
    reached = {"SET": figures["SET"]["step_ratio"], "SPA": figures["SPA"]["step_ratio"]}
    reached["SET_optimizer"] = figures["SET"]["optimizer_ratio"]
    passed = all(reached[name] <= bar for name, bar in BARS.items())
    size = {"weights": loaded.model.num_parameters(), "selected": len(mask), "tokens": token_ids.numel()}
    size |= {"threads": torch.get_num_threads()}
    print(json.dumps({"name": "real_step", "figures": size | figures, "bars": BARS, "pass": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
