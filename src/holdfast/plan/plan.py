"""The whole plan of a run: its stages, what they come to together, and where they do not fit."""

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
"""Settings that a sentence names."""


@dataclass(frozen=True)
class Plan:
    """What a run is predicted to need."""

    device: str
    """cpu, or what kind of accelerator."""
    memory: int | None
    """Bytes that the device has; on a CPU those of the machine. None where it does not say."""
    workers: int
    """Processes side by side, each with stages of its own."""
    stages: tuple[Stage, ...]
    rate: Rate | None
    """None where nothing is known of the device's speed."""
    advice: tuple[str, ...]
    """A sentence for every stage that does not fit."""
    processes: int = 1
    """Processes that score and tune together, each on a device of its own but for a CPU's."""

    def seconds(self, stage: Stage) -> float | None:
        """How long a stage takes, by itself."""
        return self.rate.seconds(stage.need.work) if self.rate else None

    def device_bytes(self, stage: Stage) -> int:
        """The peak on the device, of one process; 0 on a CPU."""
        return 0 if self.device == "cpu" else stage.need.device

    def host_bytes(self, stage: Stage) -> int:
        """The peak in host memory, of one process, Python's own included."""
        return PROCESS + stage.need.host + (stage.need.device if self.device == "cpu" else 0)

    def to_json(self) -> dict[str, object]:
        """Bytes and seconds, stage by stage and together."""
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
        """The largest peaks of all workers at once, all disk, and the time that they share."""
        seconds = [self.seconds(stage) for stage in self.stages]
        return {
            "device_bytes": self.workers * max(map(self.device_bytes, self.stages)),
            "host_bytes": self.workers * max(map(self.host_bytes, self.stages)),
            "disk_bytes": sum(stage.disk for stage in self.stages),
            "seconds": sum(one or 0.0 for one in seconds) / self.workers if self.rate else None,
        }


def make_plan(
    config: RunConfig, memory_gib: float | None = None, tera_flops: float | None = None, processes: int = 1
) -> Plan:
    """Predicts what a run needs, from configs and prompt sets alone; no weights are read, nothing is written.

    Args:
        config: the run.
        memory_gib: plans for an accelerator with this much memory, in place of the device here.
        tera_flops: what that device reaches, in 10^12 operations a second; measured on the device here when left out.
        processes: how many are to score and tune together, by `torchrun -m holdfast score|enhance|adapt`.

    Raises:
        ValueError: a config or a prompt set is missing or wrong, the two sets of SET are swapped, so many processes
            can't work together under it, or a model's code can't be followed.
    """
    refuse_apart(config, processes)
    _check_sets_to_enhance(config)
    if processes > 1:
        config = config.model_copy(update={"workers": 1})  # those of `holdfast run`, which is one process's
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
    """A sentence for stages that need the same and do not fit, with what would help."""

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
    found = savings(planned, stages[0], memory, needed)[:NAMED]
    side_by_side = planned.config.workers > 1
    help_ = [f"{one.setting} saves {gib(one.saved)}{' (it fits then)' if one.fits else ''}" for one in found]
    help_ += [f"workers = 1 saves {gib(need - need // planned.config.workers)}"] * side_by_side
    judge = planned.judge_bytes()
    help_ += [f"a smaller judge saves up to {gib(judge)}"] * (judge > memory / 10)
    return f"{names}: {gib(need)} will not fit in {gib(memory)}; {', '.join(help_) or 'take a smaller model'}."


def _memory(place: torch.device) -> int | None:
    if place.type == "cpu":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return torch.cuda.get_device_properties(place).total_memory if place.type == "cuda" else None
