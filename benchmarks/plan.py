"""How far is the memory that `holdfast plan` predicts from what the stages take?

Measured: the highest resident memory of a process that runs one stage (locate, enhance, adapt, adapt with LoRA,
evaluate) on files, less what it had right before the model was loaded: imports done, and the same stage run once on a
model of one layer, so that code that is loaded late and the interpreter's own memory count for neither side. Against:
what plan predicts from the config alone, for the same settings. Freed memory is given back at once (mallopt), as the
allocator's slack is not predicted. On two models, on the CPU in float32: the built-in `aligned` with `guard`, and a
random dense decoder of 100M weights with the built-in tokenizer. `--also` adds models of your own. Responses are as
long as they may be where the model does not end them sooner; plan always takes them to be.

Seconds are stated beside it, without a bar: other work on the machine counts for the one side alone.

`process_mb` is the process before the model: what plan adds to host memory as a constant. Bar: within 15% each. Memory
is read from /proc, so it runs on Linux; about ten minutes on a core.

    OMP_NUM_THREADS=1 PYTHONPATH=src python benchmarks/plan.py
"""

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from subjects import random_mask
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from holdfast.allocator import M_MMAP_THRESHOLD
from holdfast.artifacts import save_mask
from holdfast.intervene.options import AdaptOptions, EnhanceOptions, LoraOptions
from holdfast.models.load import load_model
from holdfast.models.options import GenerateOptions
from holdfast.pipeline.evaluating import evaluate_recipe
from holdfast.pipeline.options import EnhanceFiles, ScoreFiles, ScoringOptions, SuiteFiles
from holdfast.pipeline.recipe import Recipe
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.pieces import locate
from holdfast.pipeline.tuning import adapt_model, enhance_model
from holdfast.plan.memory import Need, adapting, enhancing
from holdfast.plan.stages import Planned
from holdfast.plan.work import measure_rate
from holdfast.testbed import model_path

BAR = 0.15
FRACTION = 0.01
GUARD = "testbed:guard"
LOCATED_BY = "refusal_likelihood"
"""Objective of the scores. The built-in guard reads no responses of other models, so it gives no gradient for them."""
STAGES = ("locate", "enhance", "adapt", "adapt_lora", "evaluate")


def make_config(model: str, rows: int) -> RunConfig:
    """Every stage on the first prompts of the built-in sets, with batches that two cores get through."""
    adapt = AdaptOptions(iterations=3, batch_size=16, micro_batch_size=8, learning_rate=1e-5)
    return RunConfig(
        model=model,
        unaligned=model,
        judge=GUARD,
        task=f"testbed:task_train#first={rows}",
        calibration=ScoreFiles(
            harmful=f"testbed:harmful_calibration#first={rows}", utility=f"testbed:questions_calibration#first={rows}"
        ),
        suite=SuiteFiles(harmful=(f"testbed:harmful_seen#first={rows}",), questions=f"testbed:questions#first={rows}"),
        refusals=EnhanceFiles(
            refusals=f"testbed:refusals#first={rows}", harmless=f"testbed:harmless_exchanges#first={rows}"
        ),
        generate=GenerateOptions(max_new_tokens=8, token_budget=4096),
        calibrate=GenerateOptions(max_new_tokens=4, token_budget=4096),
        score=ScoringOptions(token_budget=2048),
        enhance=EnhanceOptions(iterations=3, batch_size=16, micro_batch_size=8, learning_rate=1e-5),
        adapt=adapt,
    )


def save_decoder(folder: Path, **size: Any) -> str:
    """A random dense decoder with the built-in tokenizer."""
    if not (folder / "config.json").is_file():
        config = LlamaConfig(vocab_size=1280, max_position_embeddings=1024, eos_token_id=1, pad_token_id=0, **size)
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
        AutoTokenizer.from_pretrained(model_path("aligned")).save_pretrained(folder)
    return str(folder)


def save_random_mask(model: str, path: Path) -> None:
    """One percent of the scored entries."""
    loaded = load_model(model)
    save_mask(path, replace(random_mask(loaded.model, FRACTION), base=loaded.base))


def with_lora(config: RunConfig) -> AdaptOptions:
    return config.adapt.model_copy(update={"lora": LoraOptions(rank=8)})


def work(stage: str, config: RunConfig, mask: Path, out: Path) -> Callable[[], object]:
    """The stage as `holdfast run` makes it, without the evaluation behind a tuning."""
    files, task = config.refusals, config.task
    assert files is not None
    assert task is not None
    stages: dict[str, Callable[[], object]] = {
        "locate": lambda: locate(config, config.model, out, LOCATED_BY),
        "enhance": lambda: enhance_model(config.model, mask, files, out, options=config.enhance),
        "adapt": lambda: adapt_model(config.model, mask, task, out, options=config.adapt),
        "adapt_lora": lambda: adapt_model(config.model, None, task, out, options=with_lora(config)),
        "evaluate": lambda: evaluate_recipe(
            Recipe(model=config.model, judge=GUARD, suite=config.suite, generation=config.generate),
            out / "evaluation.json",
        ),
    }
    return stages[stage]


def predicted(stage: str, config: RunConfig) -> Need:
    """What plan says of it."""
    planned = Planned(config, torch.device("cpu"))
    subject = planned.subject(config.model)
    if stage == "locate":
        need = planned.locate(config.model, stage, LOCATED_BY).need
    elif stage == "evaluate":
        need = planned.evaluate(config.model, stage, with_task=True).need
    elif stage == "enhance":
        need = enhancing(subject, config.enhance, planned.longest_to_enhance("top"), full=False)
    else:
        options = config.adapt if stage == "adapt" else with_lora(config)
        need = adapting(subject, options, planned.longest_to_adapt(), protected=stage == "adapt")
    return need


def memory_mb(field: str) -> float:
    """VmRSS or VmHWM (the highest RSS since it was reset) of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 2**10


def return_freed_memory() -> None:
    """From now on freed tensors go back to the system at once."""
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**16)


def reset_memory() -> float:
    """Megabytes that the process has now; what it has at most is counted from here."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    return before


def measure(stage: str, model: str, folder: Path, rows: int) -> dict[str, float]:
    """In a process of its own: megabytes before and at most."""
    return_freed_memory()
    small = save_decoder(
        folder / "small", hidden_size=96, intermediate_size=256, num_hidden_layers=1, num_attention_heads=4
    )
    save_random_mask(small, folder / "small.safetensors")
    with tempfile.TemporaryDirectory() as out:
        work(stage, make_config(small, 4), folder / "small.safetensors", Path(out) / "run")()
    before = reset_memory()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        work(stage, make_config(model, rows), mask_of(model, folder), Path(out) / "run")()
    return {"before": before, "most": memory_mb("VmHWM"), "seconds": time.perf_counter() - started}


def mask_of(model: str, folder: Path) -> Path:
    return folder / f"{Path(model.replace(':', '_')).name}.safetensors"


def main() -> int:
    """Runs every stage on both models in a process of its own, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=4, metavar=("STAGE", "MODEL", "FOLDER", "ROWS"))
    parser.add_argument("--stages", nargs="*", default=STAGES)
    parser.add_argument("--also", action="append", default=[], metavar="MODEL", help="a further model, in a folder")
    parser.add_argument("--only-also", action="store_true", help="leave the two models of this file out")
    parser.add_argument("--folder", type=Path, help="where the models lie, or are made; a temporary folder if left out")
    options = parser.parse_args()
    if options.measure:
        stage, model, folder, rows = options.measure
        print(json.dumps(measure(stage, model, Path(folder), int(rows))))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        size = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 14, "num_attention_heads": 12}
        dense = save_decoder(folder / "dense", **size)
        figures, rate = {}, measure_rate(torch.device("cpu"))
        ours = () if options.only_also else (("aligned", "testbed:aligned", 256), ("dense_100m", dense, 32))
        for label, model, rows in (*ours, *((Path(name).name, name, 32) for name in options.also)):
            save_random_mask(model, mask_of(model, folder))
            for stage in options.stages:
                command = [sys.executable, __file__, "--measure", stage, model, str(folder), str(rows)]
                found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
                measured = found["most"] - found["before"]
                need = predicted(stage, make_config(model, rows))
                planned = (need.device + need.host) / 2**20
                figures[f"{label}/{stage}"] = {
                    "predicted_mb": round(planned, 1),
                    "measured_mb": round(measured, 1),
                    "off": round(planned / measured - 1, 3),
                    "process_mb": round(found["before"], 1),
                    "predicted_s": round(rate.seconds(need.work), 1),
                    "measured_s": round(found["seconds"], 1),
                }
                print(f"{label}/{stage}: {figures[f'{label}/{stage}']}", file=sys.stderr, flush=True)
    passed = all(abs(one["off"]) <= BAR for one in figures.values())
    print(json.dumps({"name": "plan", "figures": figures, "bars": {"off": BAR}, "pass": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
