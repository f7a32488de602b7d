"""lm_eval/TASK/METRIC = a metric of the Language Model Evaluation Harness (lm-eval), by its own formula

lm-eval provides tasks, prompts, few-shot examples and metrics (EleutherAI, Biderman et al. 2024, arXiv 2405.14782). Its
`simple_evaluate` runs on the model in memory with its defaults: no chat template, and few-shot examples as each task
sets them. Only the end tokens of the checkpoint's generation config are used. Unit and direction are the metric's. A
metric of another filter than `none` is named METRIC,FILTER. `n` counts examples.

The interval is value -+ 1.96 standard errors by lm-eval, not Wilson's as for other rates. It may go beyond [0, 1], and
has no width where all examples agree. A metric without a standard error has no interval.

Cost: the model's passes over every example, and some seconds to read the index of tasks. A stopped run starts again.
"""

import importlib
import importlib.util
import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy
import torch
from pydantic import model_validator

from holdfast.config import Names, Options
from holdfast.evaluate.statistics import Z_95
from holdfast.models.asking import end_ids
from holdfast.models.load import LoadedModel
from holdfast.models.plain_settings import plain_settings
from holdfast.models.tables import context_of
from holdfast.outcomes import Rate
from holdfast.spelling import meant

BATCH_SIZE = 16


class LmEvalOptions(Options):
    """Tasks of lm-eval to measure."""

    tasks: Names = ()
    """Names of tasks, groups of tasks or tags."""
    include_path: Path | None = None
    """Folder with YAML files of further tasks."""

    @model_validator(mode="after")
    def _refuse_idle(self) -> Self:
        if self.include_path and not self.tasks:
            raise ValueError(
                f"a folder of lm-eval tasks is given, {str(self.include_path)!r}, and none of its tasks; name them "
                "with --lm-eval, or leave --lm-eval.include-path out."
            )
        return self


class LmEval:
    """lm-eval with its index of tasks.

    Raises:
        ValueError: the package or the folder is missing, or a task is unknown.
    """

    def __init__(self, options: LmEvalOptions) -> None:
        self.options = options
        _refuse_missing(options)
        folder = options.include_path
        tasks = importlib.import_module("lm_eval.tasks")  # an extra, and slow
        self._manager = tasks.TaskManager(include_path=str(folder) if folder else None)
        _refuse_unknown(options, self._manager.all_tasks)

    def measure(self, loaded: LoadedModel) -> tuple[dict[str, Rate], dict[str, object]]:
        """Measures the tasks. Returns rates by 'lm_eval/TASK/METRIC', and the versions of the package and the tasks."""
        lm_eval = importlib.import_module("lm_eval")
        huggingface = importlib.import_module("lm_eval.models.huggingface")
        model = huggingface.HFLM(
            pretrained=loaded.model,
            tokenizer=loaded.tokenizer,
            batch_size=BATCH_SIZE,
            max_length=context_of(loaded.model),
        )
        with _seeds_given_back(), plain_settings(loaded.model, end_ids(loaded.model, loaded.tokenizer)):
            results = lm_eval.simple_evaluate(
                model=model, tasks=list(self.options.tasks), task_manager=self._manager, log_samples=False
            )
        rates = {
            f"lm_eval/{task}/{name}": rate
            for task, record in sorted(results["results"].items())
            for name, rate in _rates(record).items()
        }
        return rates, {"package": lm_eval.__version__, **results["versions"]}


def _refuse_missing(options: LmEvalOptions) -> None:
    if importlib.util.find_spec("lm_eval") is None:
        raise ValueError(
            "tasks of lm-eval need the package lm_eval; install it with pip install lm_eval, or leave --lm-eval out."
        )
    if options.include_path and not options.include_path.is_dir():
        raise ValueError(
            f"{str(options.include_path)!r} is no folder; give --lm-eval.include-path one with YAML files of tasks."
        )


def _refuse_unknown(options: LmEvalOptions, known: list[str]) -> None:
    unknown = [task for task in options.tasks if task not in known]
    if unknown:
        listed = "`lm-eval ls tasks` lists them, and --lm-eval.include-path adds a folder of your own"
        raise ValueError(f"lm-eval has no task {unknown[0]!r}; {meant(unknown[0], known, listed)}.")


def _rates(record: Mapping[str, float]) -> dict[str, Rate]:
    """Reads the metrics of a task, which lm-eval names METRIC,FILTER and METRIC_stderr,FILTER."""
    rates = {}
    for key, value in record.items():
        metric, _, kind = key.partition(",")
        if kind and not metric.endswith("_stderr"):
            name = metric if kind == "none" else key
            rates[name] = _rate(value, record.get(f"{metric}_stderr,{kind}"), int(record.get("sample_len", 0)))
    return rates


def _rate(value: object, error: object, n: int) -> Rate:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return Rate(None, None, None, 0, n)
    if not isinstance(error, int | float) or not math.isfinite(error):
        return Rate(float(value), None, None, n)
    return Rate(float(value), value - Z_95 * error, value + Z_95 * error, n)


@contextmanager
def _seeds_given_back() -> Iterator[None]:
    """Restores the global random generators, which lm-eval seeds."""
    ours, theirs = random.getstate(), numpy.random.get_state()
    devices = list(range(torch.cuda.device_count()))
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(ours)
        numpy.random.set_state(theirs)
