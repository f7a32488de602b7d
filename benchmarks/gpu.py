"""What scoring, selection, SET and SPA cost on the shapes of real models, on a GPU.

Random models in bfloat16, of the shapes of Llama 3 8B and Qwen3 30B-A3B (cut to as many layers as leave room for the
float32 sums), with a judge of 1B: no weights are fetched, and what is measured is the cost alone.

* scoring: a batch's judge, forward and backward; utilisation of the backward pass, which is 4 operations for every
  active weight and token over its seconds and the device's peak (looked up by name, or `--flops`); sums in float32.
* selection: the exact top 1% of those sums, where they lie; the mask comes to the host.
* steps: SET (SparseAdamW) and SPA (protect under AdamW) beside full fine-tuning (fused AdamW), LoRA, and the masked
  AdamW of the paper's code, whose moments and masks are dense. What runs out of memory is reported, and the rest
  goes on.

Bars, on the 8B shape: SET's peak at most weights + activations + 2 GB; its optimizer at most 3% of forward and
backward; backward of scoring at 40% utilisation or more; selection of 8e9 scores in 2 s or less, extrapolated from
those here.

Without a GPU it prints what it would do, with "pass": null. `--device cpu --tiny` runs the same code on tiny shapes.

    PYTHONPATH=src python benchmarks/gpu.py
"""

import argparse
import copy
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

import torch
from gpu_meter import Meter
from gpu_scoring import measure_scoring, measure_selection
from gpu_steps import ARMS, activations, measure_steps, scattered_mask
from shapes import GUARD, SHAPES
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

BARRED = "Llama 8B"
FRACTION = 0.01
BARS = {"extra_memory_gb": 2.0, "optimizer_share": 0.03, "backward_mfu": 0.40, "seconds_of_8_billion": 2.0}
TINY = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "num_experts": 8,
    "num_experts_per_tok": 2,
}


@dataclass(frozen=True)
class Size:
    """What is measured of a model."""

    model: str
    layers: int
    why: str
    score_rows: int = 8
    score_length: int = 256
    step_rows: int = 1
    step_length: int = 1024


SIZES = (
    Size(BARRED, 32, "all layers"),
    Size("Qwen3 30B-A3B", 12, "12 of 48 layers: of all, the sums of scoring alone take 116 GB"),
)


def shape(name: str, layers: int, *, tiny: bool) -> PretrainedConfig:
    """The config of a model with so many layers."""
    config = copy.deepcopy(SHAPES[name])
    config.num_hidden_layers = layers
    for field, value in TINY.items() if tiny else ():
        if hasattr(config, field):
            setattr(config, field, value)
    return config


def random_model(config: PretrainedConfig, place: torch.device) -> PreTrainedModel:
    """Made on the device, so that the host need not hold it."""
    torch.manual_seed(0)
    with place:
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()


def measure(size: Size, meter: Meter, *, tiny: bool) -> dict[str, Any]:
    """All figures of one model; scoring goes first, as training changes the weights."""
    model = random_model(shape(size.model, size.layers, tiny=tiny), meter.place)
    weights = sum(weight.nbytes for weight in model.parameters())
    figures: dict[str, Any] = {**asdict(size), "weights": model.num_parameters(), "weights_gb": round(weights / 1e9, 2)}
    judge = random_model(shape(GUARD, SHAPES[GUARD].num_hidden_layers, tiny=tiny), meter.place)
    try:
        judge.requires_grad_(False)
        figures["scoring"], sums = measure_scoring(model, judge, size.score_rows, size.score_length, meter)
        figures["selection"] = measure_selection(sums, meter)
        del sums
    except torch.OutOfMemoryError:
        figures["scoring"] = {"out_of_memory": True}
    del judge
    mask, batch = scattered_mask(model, FRACTION), (size.step_rows, size.step_length)
    taken = activations(model, mask, *batch, meter)
    figures["activations_gb"] = round(taken / 1e9, 3)
    figures["steps"] = {arm: measure_steps(arm, model, mask, *batch, meter) for arm in ARMS}
    if peak := figures["steps"]["SET"].get("peak_gb"):
        figures["extra_memory_gb"] = round(peak - (weights + taken) / 1e9, 2)
    return figures


def reached(figures: dict[str, Any]) -> dict[str, float | None]:
    """What the bars are about; None where memory ran out, or the device's peak is not known."""
    return {
        "extra_memory_gb": figures.get("extra_memory_gb"),
        "optimizer_share": figures["steps"]["SET"].get("optimizer_share"),
        "backward_mfu": figures["scoring"].get("backward_mfu"),
        "seconds_of_8_billion": figures.get("selection", {}).get("seconds_of_8_billion"),
    }


def passes(found: dict[str, float | None]) -> bool:
    """Whether every bar was measured and is met."""
    return all(
        value is not None and (value >= BARS[name] if name == "backward_mfu" else value <= BARS[name])
        for name, value in found.items()
    )


def main() -> int:
    """Prints one JSON object; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--flops", type=float, help="peak of the device in bfloat16, in 10^12 operations a second")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes, to see that all of it runs; no bar counts")
    given = parser.parse_args()
    place = torch.device(given.device)
    sizes = [Size(one.model, 2, "tiny", 4, 16, 1, 32) for one in SIZES] if given.tiny else SIZES
    if place.type == "cuda" and not torch.cuda.is_available():
        print(
            json.dumps({"name": "gpu", "figures": {"would_measure": [*map(asdict, sizes)]}, "bars": BARS, "pass": None})
        )
        return 0
    meter, figures = Meter(place, given.flops and given.flops * 1e12), {}
    for size in sizes:
        figures[size.model] = measure(size, meter, tiny=given.tiny)
        print(f"{size.model}: {figures[size.model]}", file=sys.stderr, flush=True)
        meter.forget_peak()
    passed = None if given.tiny else passes(reached(figures[BARRED]))
    print(json.dumps({"name": "gpu", "device": meter.name, "figures": figures, "bars": BARS, "pass": passed}))
    return 1 if passed is False else 0


if __name__ == "__main__":
    sys.exit(main())
