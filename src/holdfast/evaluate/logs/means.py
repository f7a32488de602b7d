"""Checks that the mean which a log records is the mean of its samples: somebody may have edited the samples.

Only plain means of the samples' numbers are checked:
    inspect   `accuracy` and `mean` without parameters, over the mean of each sample's epochs
    lm-eval   a metric that the task's settings average: aggregation `mean`, or none for those of `MEANS_BY_DEFAULT`
Other metrics, and logs that record no mean, are not checked.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.counts import counted
from holdfast.evaluate.logs.log import as_number
from holdfast.evaluate.logs.wrong_logs import contradicting

ROUNDING = 1e-5
"""Largest difference that sums in another order or in single precision explain."""
MEANS_BY_DEFAULT = ("acc", "acc_norm", "acc_mutual_info", "exact_match")
"""Metrics of lm-eval that it averages where a task's settings do not say how."""
PLAIN_MEANS = ("accuracy", "mean")
"""Metrics of inspect that are the mean of the samples' numbers."""
Numbers = Sequence[float | None]


def require_mean(path: Path, program: str, name: str, recorded: object, *samples: Numbers) -> None:
    """Raises ValueError when a recorded mean is not that of the samples.

    Args:
        path: the log.
        program: the program that wrote it.
        name: words for the mean.
        recorded: the mean in the log. None is not checked.
        samples: numbers of the samples, None for a sample without a number, which is left out. Several lists stand for
            several ways in which the program may have counted, of which one must agree.
    """
    value = as_number(recorded)
    known = [[number for number in numbers if number is not None] for numbers in samples]
    means = [math.fsum(numbers) / len(numbers) for numbers in known if numbers]
    if recorded is None or not means:
        return
    if value is not None and any(math.isclose(value, one, rel_tol=ROUNDING, abs_tol=ROUNDING) for one in means):
        return
    number, shown = counted(len(samples[0]), "sample"), repr(recorded) if value is None else f"{value:.4g}"
    raise contradicting(path, program, f"{name} is {shown}, and its {number} give {means[0]:.4g}")


def lm_eval_means(results: Mapping[str, Any], task: str) -> Iterator[tuple[str, str, object]]:
    """Yields the metric, the filter and the value of each mean that lm-eval records for a task."""
    listed = (results.get("configs") or {}).get(task, {}).get("metric_list")
    recorded = (results.get("results") or {}).get(task)
    if not isinstance(listed, list) or not isinstance(recorded, Mapping):
        return
    averaged = {one.get("metric") for one in listed if isinstance(one, Mapping) and _is_averaged(one)}
    for key, value in recorded.items():
        metric, _, name = key.partition(",")
        if metric in averaged:
            yield str(metric), str(name), value


def _is_averaged(metric: Mapping[str, Any]) -> bool:
    if "aggregation" in metric:
        return metric["aggregation"] == "mean"
    return metric.get("metric") in MEANS_BY_DEFAULT


def inspect_means(header: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yields the measure, as SCORER or SCORER/KEY, and the value of each mean that inspect records."""
    for score in (header.get("results") or {}).get("scores") or ():
        scorer, name = score.get("scorer"), score.get("name")
        metrics = score.get("metrics") or {}
        for key in PLAIN_MEANS if score.get("reducer") in (None, "mean") else ():
            metric = metrics.get(key)
            if metric and metric.get("name") == key and not metric.get("params"):
                yield name if name == scorer else f"{scorer}/{name}", metric.get("value")
