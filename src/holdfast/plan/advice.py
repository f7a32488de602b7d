"""Advice for a stage that does not fit: settings that save memory, tried one by one, with the bytes each saves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from holdfast.arms import ARMS
from holdfast.config import Options
from holdfast.intervene.options import LoraOptions
from holdfast.models.logits import LARGEST_BUDGET
from holdfast.pipeline.run.config import RunConfig
from holdfast.plan.stages import Planned, Stage

Table = TypeVar("Table", bound=Options)
Bytes = Callable[[Stage], int]
LEAST = 0.01
"""Smallest share of a stage's need that a setting must save to be listed."""
CUT = 4
"""Factor by which token budgets are reduced."""


@dataclass(frozen=True)
class Saving:
    """A setting that reduces the memory of a stage."""

    setting: str
    """The setting as a line of the config."""
    saved: int
    """Bytes that it saves."""
    fits: bool
    """True where the stage fits with it."""


def savings(planned: Planned, stage: Stage, memory: int, measure: Bytes) -> list[Saving]:
    """Lists settings that save memory in this stage, the largest saving first.

    Args:
        planned: the plan's config and models.
        stage: the stage that does not fit.
        memory: bytes that are available.
        measure: returns the bytes of a stage that must fit.
    """
    before, useful = measure(stage), []
    for setting, config in _changes(planned.config, stage.name, planned.processes):
        after = measure(planned.again(config).parts()[stage.name]())
        if before - after >= LEAST * before:
            useful.append(Saving(setting, before - after, after <= memory))
    if left_out := _arm(stage.name):
        useful.append(Saving(left_out, before, True))
    return sorted(useful, key=lambda saving: -saving.saved)


def _changes(config: RunConfig, stage: str, processes: int) -> Iterator[tuple[str, RunConfig]]:
    kind = stage.partition(" ")[0]
    table = "score" if kind == "locate" else kind
    if processes > 1 and table in ("score", "enhance", "adapt"):
        yield f"{table}.shard = true", _with(config, table, shard=True)
    if processes > 1 and kind == "locate":
        yield "score.shard_judge = true", _with(config, "score", shard_judge=True)
    if kind == "locate":
        yield _cut(config, "score")
        yield "score.sums_on_host = true", _with(config, "score", sums_on_host=True)
        yield _cut(config, "calibrate")
        if config.score.convergence:
            yield "score.convergence = false", _with(config, "score", convergence=False)
    else:
        yield _cut(config, "generate")
    guard = config.judging.guard.token_budget // CUT
    judging = _with(config.judging, "guard", token_budget=guard)
    yield f"judging.guard.token_budget = {guard}", config.model_copy(update={"judging": judging})
    if kind in ("enhance", "adapt"):
        yield f"{kind}.micro_batch_size = 1", _with(config, kind, micro_batch_size=1)
    if kind == "adapt" and config.adapt.lora is None and processes == 1:
        yield "adapt.lora = { rank = 8 }", _with(config, "adapt", lora=LoraOptions(rank=8), freeze=())


def _cut(config: RunConfig, table: str) -> tuple[str, RunConfig]:
    budget = max(1, (getattr(config, table).token_budget or LARGEST_BUDGET) // CUT)
    return f"{table}.token_budget = {budget}", _with(config, table, token_budget=budget)


def _with(config: Table, table: str, **changes: object) -> Table:
    return config.model_copy(update={table: getattr(config, table).model_copy(update=changes)})


def _arm(stage: str) -> str | None:
    """Advice to leave out the arm of a stage, where it is a control. Else None."""
    kind, _, arm = stage.partition(" ")
    can_go = any(row.is_control for row in ARMS if (row.stage, row.name) == (kind, arm))
    return f"leaving {arm} out of {kind}_arms" if can_go else None
