"""`holdfast plan`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from holdfast.commands.console import Json, show, table, unless_quiet
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_file import load_config
from holdfast.plan.units import gib

if TYPE_CHECKING:
    from holdfast.plan.plan import Plan

Positive = Annotated[float | None, Parameter(validator=Number(gt=0, lt=math.inf))]
AtLeastOne = Annotated[int, Parameter(validator=Number(gte=1))]


def plan(
    config: Path, *, memory: Positive = None, flops: Positive = None, processes: AtLeastOne = 1, json: Json = False
) -> None:
    """Predict memory, disk and time of `holdfast run`, stage by stage, without loading a model.

    Reads only the config.json of each model. Names what will not fit, and a setting that would help.

    Example: holdfast plan holdfast.toml --memory 24

    Parameters
    ----------
    config
        Config file (TOML) of `holdfast run`.
    memory
        Memory of the accelerator to plan for, in GiB. Left out, that of this machine's device.
    flops
        Speed of that device, in 10^12 operations per second. Left out, the command measures this
        machine's device.
    processes
        Number of processes that score and tune together, as torchrun starts them. `score.shard`, `enhance.shard` and
        `adapt.shard` of the config decide whether they split the model. Prints the needs of the first process, which
        are the largest.
    json
        Print one JSON object in place of tables.
    """
    settings = load_config(config, RunConfig)
    from holdfast.plan.plan import make_plan

    made = make_plan(settings, memory, flops, processes)
    columns = ("stage", "device memory", "host memory", "disk", "time")
    show(made.to_json(), [table(_title(config, made), columns, _rows(made))], json, note=_notes(made))


def _title(config: Path, made: "Plan") -> str:
    has = f" with {gib(made.memory)}" if made.memory else ""
    count = made.workers * made.processes
    together = " together" * (made.processes > 1)
    return f"{config}: predicted for {made.device}{has}, {count} process{'es' * (count > 1)}{together}"


def _rows(made: "Plan") -> list[tuple[str, ...]]:
    total = made.total()
    rows = [
        (
            f"{stage.name}{' *' * stage.is_guessed}",
            _device(made, made.device_bytes(stage)),
            gib(made.host_bytes(stage)),
            gib(stage.disk),
            _time(made.seconds(stage)),
        )
        for stage in made.stages
    ]
    host, disk = (gib(float(total[name] or 0)) for name in ("host_bytes", "disk_bytes"))
    return [*rows, ("together", _device(made, float(total["device_bytes"] or 0)), host, disk, _time(total["seconds"]))]


def _device(made: "Plan", count: float) -> str:
    """Formats device memory. A CPU has none: its stages use host memory."""
    return "-" if made.device == "cpu" else gib(count)


def _notes(made: "Plan") -> str:
    fits, notes = list(made.advice) or (["Everything fits."] if made.memory else []), []
    if made.processes > 1:
        notes.append(
            f"{made.processes} processes score and tune together (torchrun); memory is that of the first one. All else "
            "runs in one process. Times leave out the communication between processes."
        )
    if any(stage.is_guessed for stage in made.stages):
        notes.append("* a prompt set is missing here: 1,000 prompts of 128 tokens are assumed.")
    notes.append(
        "Memory was predicted to within 15% where it was measured. Times count only forward and backward passes on an "
        "idle device, with responses as long as the limit allows. Loading and saving add to them, and responses that "
        "end early take less."
    )
    if made.rate is None:
        notes.append("Times are left out, as the speed of that device is unknown; give --flops.")
    return "\n".join(filter(None, [*fits, unless_quiet("\n".join(notes))]))


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
