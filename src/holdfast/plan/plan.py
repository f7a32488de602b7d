"""The plan of a run: the needs of its stages, their totals, and advice where they do not fit."""

import os
from dataclasses import asdict, dataclass, replace

import torch

from holdfast.models.load import default_device
from holdfast.pipeline.given_exchanges import load_to_enhance
from holdfast.pipeline.run.config import RunConfig
from holdfast.plan.advice import savings
from holdfast.plan.lengths import is_here
from holdfast.plan.memory import PROCESS
from holdfast.plan.stages import Planned, Stage
from holdfast.plan.together import refuse_apart
from holdfast.plan.units import GIB, gib
from holdfast.plan.work import Rate, measure_rate

NAMED = 3
"""Most settings that a sentence of advice names."""


@dataclass(frozen=True)
class Plan:
    """Predicted memory, disk and time of a run."""

    device: str
    """Type of the device: cpu, or that of an accelerator such as cuda."""
    memory: int | None
    """Bytes of the device's memory, or of the machine's on a CPU. None where it is unknown."""
    workers: int
    """Processes that run in parallel, each on different stages."""
    stages: tuple[Stage, ...]
    rate: Rate | None
    """Speed of the device, or None where it is unknown."""
    advice: tuple[str, ...]
    """Sentences about the stages that do not fit."""
    processes: int = 1
    """Processes that score and tune together, each on its own device. On a CPU they share one."""

    def seconds(self, stage: Stage) -> float | None:
        """Predicted seconds of a stage that runs alone. None where the device's speed is unknown."""
        return self.rate.seconds(stage.need.work) if self.rate else None

    def device_bytes(self, stage: Stage) -> int:
        """Peak bytes on the device in one process, or 0 on a CPU."""
        return 0 if self.device == "cpu" else stage.need.device

    def host_bytes(self, stage: Stage) -> int:
        """Peak bytes in host memory in one process, Python itself included."""
        return PROCESS + stage.need.host + (stage.need.device if self.device == "cpu" else 0)

    def to_json(self) -> dict[str, object]:
        """Makes a JSON object with bytes and seconds of every stage and in total."""
        stages = [
            {
                "name": stage.name,
                "device_bytes": self.device_bytes(stage),
                "host_bytes": self.host_bytes(stage),
                "disk_bytes": stage.disk,
                "flops": stage.need.work.flops,
                "seconds": self.seconds(stage),
                "is_guessed": stage.is_guessed,
            }
            for stage in self.stages
        ]
        rate = asdict(self.rate) if self.rate and self.rate.call else self.rate and {"flops": self.rate.flops}
        about = {"device": self.device, "memory_bytes": self.memory, "workers": self.workers, "rate": rate}
        return {
            **about,
            "processes": self.processes,
            "stages": stages,
            "total": self.total(),
            "advice": list(self.advice),
        }

    def total(self) -> dict[str, float | None]:
        """Totals of the run: the largest peak in every worker at once, all disk, and the time of parallel workers."""
        seconds = [self.seconds(stage) for stage in self.stages]
        return {
            "device_bytes": self.workers * max(map(self.device_bytes, self.stages)),
            "host_bytes": self.workers * max(map(self.host_bytes, self.stages)),
            "disk_bytes": sum(stage.disk for stage in self.stages),
            "seconds": sum(each or 0.0 for each in seconds) / self.workers if self.rate else None,
        }


def make_plan(
    config: RunConfig, memory_gib: float | None = None, tera_flops: float | None = None, processes: int = 1
) -> Plan:
    """Predicts the needs of a run from configs and prompt sets alone. It reads no weights and writes no file.

    Args:
        config: the config of the run.
        memory_gib: memory of the accelerator to plan for, in GiB. This machine's device when left out.
        tera_flops: speed of that device, in 10^12 operations per second. Measured on this machine when left out.
        processes: number of processes that score and tune together, by `torchrun -m holdfast score|enhance|adapt`.

    Raises:
        ValueError: a config or a prompt set is missing or wrong, the two sets of SET are swapped, the config does not
            allow this number of processes, or a model's code can't run on the meta device.
    """
    refuse_apart(config, processes)
    _check_sets_to_enhance(config)
    if processes > 1:
        config = config.model_copy(update={"workers": 1})  # `holdfast run` has workers, and torchrun replaces it
    here = default_device()
    place = torch.device("cuda") if memory_gib is not None and here.type == "cpu" else here
    planned = Planned(config, place, processes)
    stages = tuple(make() for make in planned.parts().values())
    memory = round(memory_gib * GIB) if memory_gib is not None else _memory(here)
    rate = Rate(tera_flops * 1e12) if tera_flops else measure_rate(here, config.threads) if place == here else None
    plan = Plan(place.type, memory, config.workers, stages, rate, (), processes)
    return plan if memory is None else replace(plan, advice=tuple(_advice(plan, planned, memory)))


def _check_sets_to_enhance(config: RunConfig) -> None:
    """Raises ValueError when the run would refuse the sets of SET, such as two that are swapped, where both are here.

    Sets that would have to be fetched are left to the run.
    """
    sets = config.refusals
    if sets and is_here(sets.refusals) and is_here(sets.harmless):
        load_to_enhance(sets.refusals, sets.harmless)


def _advice(plan: Plan, planned: Planned, memory: int) -> list[str]:
    """Writes a sentence of advice for every group of stages that have the same need and do not fit."""

    def needed(stage: Stage) -> int:
        if plan.device == "cpu":
            return plan.workers * stage.processes * plan.host_bytes(stage)
        return plan.workers * plan.device_bytes(stage)

    together: dict[int, list[Stage]] = {}
    for stage in plan.stages:
        if needed(stage) > memory:
            together.setdefault(needed(stage), []).append(stage)
    return [_sentence(planned, stages, need, memory, needed) for need, stages in together.items()]


def _sentence(planned: Planned, stages: list[Stage], need: int, memory: int, needed) -> str:
    names = ", ".join(stage.name for stage in stages)
    largest = savings(planned, stages[0], memory, needed)[:NAMED]
    side_by_side = planned.config.workers > 1
    help_ = [f"{each.setting} saves {gib(each.saved)}{' (it fits then)' if each.fits else ''}" for each in largest]
    help_ += [f"workers = 1 saves {gib(need - need // planned.config.workers)}"] * side_by_side
    judge = planned.judge_bytes()
    help_ += [f"a smaller judge saves up to {gib(judge)}"] * (judge > memory / 10)
    return f"{names}: {gib(need)} will not fit in {gib(memory)}; {', '.join(help_) or 'take a smaller model'}."


def _memory(place: torch.device) -> int | None:
    if place.type == "cpu":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return torch.cuda.get_device_properties(place).total_memory if place.type == "cuda" else None
