"""How far is the memory that plan predicts for a sharded model from what each of two processes takes?

Measured as in `benchmarks/plan.py`: the highest resident memory while a stage runs on files, less what the process had
before, after the same stage on a model of one layer. Here two processes on the CPU (gloo) hold a random dense decoder
of 101M weights between them, by FSDP2: scoring with the built-in guard, SET, and SPA under dense AdamW. Against: what
plan's formulas say of the first process. The second one saves nothing, and is shown beside it.

Bar: the first process within 15%. Runs on Linux; about ten minutes on two cores.

    OMP_NUM_THREADS=1 PYTHONPATH=src python benchmarks/plan_sharded.py
"""

import argparse
import ctypes
import gc
import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch.multiprocessing.spawn import start_processes

from holdfast.distributed import gathered, joined, rank, wait_for_all
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.scoring import score_safety
from holdfast.pipeline.tuning import adapt_model, enhance_model
from holdfast.plan.memory import Need, adapting, enhancing
from holdfast.plan.spread import Spread
from holdfast.plan.stages import Planned
from plan import BAR, GUARD, make_config, mask_of, memory_mb, save_decoder, save_random_mask

PROCESSES = 2
STAGES = ("score", "enhance", "adapt")
DENSE = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 14, "num_attention_heads": 12}
SMALL = {"hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 1, "num_attention_heads": 4}


def sharded(model: str, rows: int) -> RunConfig:
    """The config of `benchmarks/plan.py`, its model in parts."""
    config = make_config(model, rows)
    tables = {name: getattr(config, name).model_copy(update={"shard": True}) for name in STAGES}
    return config.model_copy(update=tables)


def work(stage: str, config: RunConfig, mask: Path, out: Path) -> Callable[[], object]:
    """A stage as its command makes it."""
    files, task = config.refusals, config.task
    assert files is not None
    assert task is not None
    stages: dict[str, Callable[[], object]] = {
        "score": lambda: score_safety(
            config.model,
            GUARD,
            config.calibration.harmful,
            out / "scores.safetensors",
            options=config.score,
            generation=config.calibrate,
        ),
        "enhance": lambda: enhance_model(config.model, mask, files, out, options=config.enhance),
        "adapt": lambda: adapt_model(config.model, mask, task, out, options=config.adapt),
    }
    return stages[stage]


def predicted(stage: str, config: RunConfig) -> Need:
    """What plan says of the first process."""
    planned = Planned(config, torch.device("cpu"), PROCESSES)
    subject = planned.subject(config.model)
    if stage == "score":
        asking = planned._asking(config.model, config.calibrate, Spread(PROCESSES, shard=True))
        return asking.scored(planned._prompts(config.model, config.calibration.harmful), config.score)
    if stage == "enhance":
        return enhancing(subject, config.enhance, planned.longest_to_enhance("top"), full=False, processes=PROCESSES)
    return adapting(subject, config.adapt, planned.longest_to_adapt(), protected=True, processes=PROCESSES)


def measure(number: int, port: int, stage: str, model: str, folder: Path, rows: int, out: Path) -> None:
    """One of the processes; the first writes the megabytes that each took."""
    ctypes.CDLL(None).mallopt(-3, 2**16)  # M_MMAP_THRESHOLD: freed tensors go back to the system
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": str(PROCESSES)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with joined():
        work(stage, sharded(str(folder / "small"), 8), folder / "small.safetensors", out / "small")()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        before = memory_mb("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
        wait_for_all()
        work(stage, sharded(model, rows), mask_of(model, folder), out / "run")()
        told = gathered(memory_mb("VmHWM") - before)
        if rank() == 0:
            (out / "told.json").write_text(json.dumps(told))


def measured(stage: str, model: str, folder: Path, rows: int) -> list[float]:
    """Megabytes of every process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as out:
        for name in ("small", "run"):
            (Path(out) / name).mkdir()
        arguments = (port, stage, model, folder, rows, Path(out))
        start_processes(measure, arguments, nprocs=PROCESSES, start_method="spawn")
        return json.loads((Path(out) / "told.json").read_text())


def main() -> int:
    """Prints one JSON object; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="*", default=STAGES)
    options = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_random_mask(save_decoder(folder / "small", **SMALL), folder / "small.safetensors")
        dense = save_decoder(folder / "dense", **DENSE)
        save_random_mask(dense, mask_of(dense, folder))
        for stage in options.stages:
            first, second = measured(stage, dense, folder, rows=32)
            need = predicted(stage, sharded(dense, 32))
            planned = (need.device + need.host) / 2**20
            figures[stage] = {
                "predicted_mb": round(planned, 1),
                "first_mb": round(first, 1),
                "second_mb": round(second, 1),
                "off": round(planned / first - 1, 3),
            }
            print(f"{stage}: {figures[stage]}", file=sys.stderr, flush=True)
    passed = all(abs(one["off"]) <= BAR for one in figures.values())
    print(json.dumps({"name": "plan_sharded", "figures": figures, "bars": {"off": BAR}, "pass": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
