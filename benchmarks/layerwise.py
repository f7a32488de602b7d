"""Does memory stay that of one layer, however deep the model is that is scored layer by layer?

Measured: the highest resident memory of a process that scores a random Llama-shaped checkpoint of 8, 16 or 32 equal
layers (d_model 768, 7M weights each, float32) layer by layer, from files to files, less what it had right before:
imports done, and the same done once with a model of one small layer. On 32 questions with answers (`utility`), in
batches of 2,048 tokens, into scores and (`keep`) into masks of 1%. Against: whole-model scoring of the same. Freed
memory is given back at once (mallopt), as in plan.py. `layer_mb` is what the scored weights of one layer take.

Bar: 32 layers take at most 1.10 times what 8 take, for scores. Masks hold their entries, which grow with the model:
stated beside it, without a bar, as are seconds. Memory is read from /proc, so it runs on Linux; five minutes on a core.

    OMP_NUM_THREADS=1 PYTHONPATH=src python benchmarks/layerwise.py
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from holdfast.models.sites import scorable_sites
from holdfast.models.stored import open_stored
from holdfast.pipeline.options import LayerWiseOptions, ScoringOptions
from holdfast.pipeline.scoring import score_model
from holdfast.pipeline.scoring_spec import ScoringSpec
from plan import memory_mb, reset_memory, return_freed_memory, save_decoder

BAR = 1.10
DEPTHS = (8, 16, 32)
WAYS = ("scores", "masks", "whole")
QUESTIONS = "testbed:questions_calibration#first=32"
OPTIONS = ScoringOptions(objective="utility", token_budget=2048)
SIZE = {"hidden_size": 768, "intermediate_size": 2048, "num_attention_heads": 12}
SMALL = {"hidden_size": 96, "intermediate_size": 256, "num_attention_heads": 4}


def work(way: str, model: str, out: Path) -> None:
    """Scores a checkpoint into files."""
    layers = LayerWiseOptions(layer_wise=way != "whole", keep=0.01 if way == "masks" else None)
    score_model(ScoringSpec(model=model, prompts=QUESTIONS, out=out, layers=layers, options=OPTIONS))


def measure(way: str, model: str, small: str) -> dict[str, float]:
    """In a process of its own: megabytes beyond those of before, at most, and seconds."""
    return_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        work(way, small, Path(folder) / "small.safetensors")
        before, started = reset_memory(), time.perf_counter()
        work(way, model, Path(folder) / "scores.safetensors")
        return {"most_mb": memory_mb("VmHWM") - before, "seconds": time.perf_counter() - started}


def bytes_a_layer(model: str) -> int:
    """What the scored weights of one layer take in float32."""
    sites = scorable_sites(open_stored(model).model)
    return 4 * sum(site.num_entries for site in sites if site.layer == 0)


def main() -> int:
    """Measures every depth and way in a process of its own, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=3, metavar=("WAY", "MODEL", "SMALL"))
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return 0
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        small = save_decoder(folder / "small", num_hidden_layers=1, **SMALL)
        for depth in DEPTHS:
            model = save_decoder(folder / f"layers_{depth}", num_hidden_layers=depth, **SIZE)
            figures["layer_mb"] = round(bytes_a_layer(model) / 2**20, 1)
            for way in WAYS:
                command = [sys.executable, __file__, "--measure", way, model, small]
                found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
                figures[f"{way}/{depth}"] = {name: round(value, 1) for name, value in found.items()}
                print(f"{way}/{depth}: {figures[f'{way}/{depth}']}", file=sys.stderr, flush=True)
    growth = {way: _most(figures, way, DEPTHS[-1]) / _most(figures, way, DEPTHS[0]) for way in WAYS}
    figures |= {f"growth_{way}": round(value, 3) for way, value in growth.items()}
    passed = growth["scores"] <= BAR
    print(json.dumps({"name": "layerwise", "figures": figures, "bars": {"growth_scores": BAR}, "pass": passed}))
    return 0 if passed else 1


def _most(figures: dict, way: str, depth: int) -> float:
    return figures[f"{way}/{depth}"]["most_mb"]


if __name__ == "__main__":
    sys.exit(main())
