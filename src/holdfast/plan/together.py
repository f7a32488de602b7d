"""Checks of a config for several processes, with the errors that the commands themselves would raise."""

from holdfast.intervene.options import SftOptions, share_batch
from holdfast.pipeline.run.config import RunConfig


def refuse_apart(config: RunConfig, processes: int) -> None:
    """Raises ValueError when this number of processes can't run the config together."""
    tables = {"score": config.score, "enhance": config.enhance, "adapt": config.adapt}
    sharded = {f"{name}.shard": "the model" for name, table in tables.items() if table.shard}
    sharded |= {"score.shard_judge": "the judge"} if config.score.shard_judge else {}
    if processes == 1 and sharded:
        setting, what = next(iter(sharded.items()))
        raise ValueError(
            f"{setting} spreads {what} over several processes, and the plan is for one; give --processes N, or leave "
            "it out."
        )
    if processes == 1:
        return
    if config.score.shard and config.score.convergence:
        raise ValueError(
            "score.convergence compares whole rankings, and with score.shard no process has one; set one of them to "
            "false."
        )
    alone = {
        "adapt.lora": config.adapt.lora is not None,
        "enhance.objective = 'dpo'": config.enhance.objective == "dpo",
    }
    if asked := [name for name, is_asked in alone.items() if is_asked]:
        raise ValueError(f"{asked[0]} is for one process, and the plan is for {processes}; leave one of them out.")
    for name, given in (("enhance", config.unaligned), ("adapt", config.task)):
        if given:
            _refuse_uneven(name, tables[name], processes)


def _refuse_uneven(name: str, options: SftOptions, processes: int) -> None:
    try:
        share_batch(options, processes)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
