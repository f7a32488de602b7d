"""What does holding 1% of the effective weights cost a LoRA step? SPA under LoRA against plain LoRA.

One decoder of 44M weights (6 layers), adapters of rank 8 on all its linear layers, one random mask of 1% of them,
float32, all cores. Whole training steps (forward, backward, fused AdamW) of one model, taken in turn with and without
the hold, so that a busy machine slows both alike.

Bar: the median step with the hold takes at most 1.25 of the plain one. CPU seconds of the process are reported beside:
other work on the machine stretches them less. The last line on stdout is JSON; the exit code is 1 when the bar falls.
"""

import json
import sys
import time
import warnings
from contextlib import nullcontext
from statistics import median

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from subjects import make_decoder, random_mask
from transformers import LlamaForCausalLM

from holdfast.intervene.hold.lora import protect_lora
from holdfast.values import Mask

FRACTION = 0.01
RANK = 8
BATCH, TOKENS = 8, 128
REPEATS = 9
BARS = {"step_ratio": 1.25}


def add_adapters(model: LlamaForCausalLM) -> PeftModel:
    """LoRA on every linear layer, ready to train."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        adapted = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear"))
    assert isinstance(adapted, PeftModel)
    return adapted.train()


def timed_step(model: PeftModel, optimizer: torch.optim.Optimizer, token_ids: torch.Tensor) -> tuple[float, float]:
    """Wall and CPU seconds of one step."""
    wall, processor = time.perf_counter(), time.process_time()
    model(input_ids=token_ids, labels=token_ids, use_cache=False).loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return time.perf_counter() - wall, time.process_time() - processor


def compare(model: PeftModel, mask: Mask) -> dict[str, float]:
    """Median seconds of a step with and without the hold."""
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-4, fused=True)
    token_ids = torch.randint(0, 512, (BATCH, TOKENS), generator=torch.Generator().manual_seed(0))
    times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for repeat in range(REPEATS + 1):
        for is_held, taken in times.items():
            with protect_lora(model, mask, check_base=False) if is_held else nullcontext():
                took = timed_step(model, optimizer, token_ids)
            if repeat:  # the first of each warms up
                taken.append(took)
    plain, held = (tuple(median(column) for column in zip(*times[is_held], strict=True)) for is_held in (False, True))
    return {
        "plain_step_ms": round(1e3 * plain[0], 1),
        "held_step_ms": round(1e3 * held[0], 1),
        "step_ratio": round(held[0] / plain[0], 3),
        "processor_ratio": round(held[1] / plain[1], 3),
    }


def main() -> int:
    """Measures and prints."""
    model = make_decoder(num_layers=6)
    mask = random_mask(model, FRACTION)
    size = {"weights": model.num_parameters(), "selected": len(mask), "tokens": BATCH * TOKENS}
    figures = {**size, "threads": torch.get_num_threads(), **compare(add_adapters(model), mask)}
    passed = all(figures[name] <= bar for name, bar in BARS.items())
    print(json.dumps({"name": "lora_step", "figures": figures, "bars": BARS, "pass": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
