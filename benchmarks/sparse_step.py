"""What does training 1% of a model cost in the optimizer? SparseAdamW against torch's dense fused AdamW.

One decoder of 85M weights (12 layers), one random mask of 1%, float32, all cores, both optimizers side by side in one
run, steps interleaved so that a busy machine slows both alike. Timed is:

* dense: `step()` and `zero_grad()`, gradients given.
* sparse: the hooks that read the selected entries out of given dense gradients and free those, and `step()`.

Bars: SparseAdamW's time at most half of dense AdamW's; its state (moments, masters, indices) at most 2.5% of dense
AdamW's; peak memory of forward, backward and step at most weights + activations + 10% of the weights. The last line on
stdout is JSON; the exit code is 1 when a bar falls. Memory is read from /proc, so it runs on Linux.
"""

import ctypes
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from subjects import make_decoder, random_mask
from transformers import LlamaForCausalLM

from holdfast.intervene.train.sparse_adamw import SparseAdamW, freeze_unmasked
from holdfast.values import Mask

FRACTION = 0.01
REPEATS = 15
BARS = {"step_ratio": 0.5, "state_ratio": 0.025, "extra_memory_ratio": 0.10}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def dense_step(model: LlamaForCausalLM, optimizer: torch.optim.Optimizer) -> float:
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, 1e-3)
    return seconds(optimizer.step) + seconds(optimizer.zero_grad)


def sparse_step(model: LlamaForCausalLM, mask: Mask, optimizer: SparseAdamW) -> float:
    """Runs the hooks on given gradients, then the step."""
    took = 0.0
    for name in mask.indices:
        weight = model.get_parameter(name)
        weight.grad = torch.full_like(weight, 1e-3)
        (gather,) = weight._post_accumulate_grad_hooks.values()
        took += seconds(lambda weight=weight, gather=gather: gather(weight))
    return took + seconds(optimizer.step)


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Moments and masters, and for SparseAdamW its indices."""
    tensors = [tensor for state in optimizer.state.values() for tensor in state.values()]
    if isinstance(optimizer, SparseAdamW):
        tensors += [entry.index for pack in optimizer._packs for entry in pack.entries]
    return sum(tensor.nbytes for tensor in tensors)


def memory_mb(field: str) -> float:
    """VmRSS or VmHWM (the highest RSS since it was reset) of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 2**10


def extra_memory_mb(model: LlamaForCausalLM, optimizer: torch.optim.Optimizer) -> float:
    """Highest memory of a whole step, over what weights and saved activations take after the forward pass."""
    token_ids = torch.randint(0, 512, (4, 64), generator=torch.Generator().manual_seed(0))
    highest = 0.0
    for _ in range(3):
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
        loss = model(input_ids=token_ids, labels=token_ids, use_cache=False).loss
        after_forward = memory_mb("VmRSS")
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        highest = max(highest, memory_mb("VmHWM") - after_forward)
    return highest + state_bytes(optimizer) / 2**20


def compare_memory(model: LlamaForCausalLM, mask: Mask) -> dict[str, float]:
    ctypes.CDLL(None).mallopt(
        -3, 2**18
    )  # M_MMAP_THRESHOLD: freed tensors go back to the system, so RSS tells the truth
    weights = sum(weight.nbytes for weight in model.parameters()) / 2**20
    with freeze_unmasked(model, mask), SparseAdamW(model, mask, lr=1e-5, check_base=False) as optimizer:
        sparse = extra_memory_mb(model, optimizer)
    dense = extra_memory_mb(model, torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True))
    return {
        "weights_mb": round(weights, 1),
        "sparse_extra_mb": round(sparse, 1),
        "dense_extra_mb": round(dense, 1),
        "extra_memory_ratio": round(sparse / weights, 4),
    }


def compare_steps(model: LlamaForCausalLM, mask: Mask) -> dict[str, float]:
    dense = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    dense_times, sparse_times = [], []
    with freeze_unmasked(model, mask):
        sparse = SparseAdamW(model, mask, lr=1e-5, check_base=False)
    with sparse:
        for _ in range(REPEATS):  # gradients are given, so no backward pass lets the hooks take dense AdamW's
            dense_times.append(dense_step(model, dense))
            sparse_times.append(sparse_step(model, mask, sparse))
    return {
        "dense_step_ms": round(1e3 * median(dense_times), 2),
        "sparse_step_ms": round(1e3 * median(sparse_times), 2),
        "step_ratio": round(median(sparse_times) / median(dense_times), 3),
        "dense_state_mb": round(state_bytes(dense) / 2**20, 2),
        "sparse_state_mb": round(state_bytes(sparse) / 2**20, 2),
        "state_ratio": round(state_bytes(sparse) / state_bytes(dense), 4),
    }


def main() -> int:
    model = make_decoder(num_layers=12)
    mask = random_mask(model, FRACTION)
    size = {"weights": model.num_parameters(), "selected": len(mask), "threads": torch.get_num_threads()}
    figures = {**size, **compare_steps(model, mask), **compare_memory(model, mask)}
    passed = all(figures[name] <= bar for name, bar in BARS.items())
    print(json.dumps({"name": "sparse_step", "figures": figures, "bars": BARS, "pass": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
