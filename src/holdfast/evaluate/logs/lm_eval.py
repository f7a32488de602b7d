"""Logs of lm-eval (EleutherAI's harness) that --log_samples wrote: results_DATE.json and samples_TASK_DATE.jsonl

A measure is a metric, such as `acc`, over all tasks that have it, with a group for each task. A metric of several
filters is METRIC,FILTER for each of them, as in 'exact_match,strict-match'. Numbers are taken as they are. A metric
whose values are no numbers, such as the pairs behind a perplexity, is left out. Samples are matched by task and doc_id.
Document and target must then agree.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.evaluate.logs.log import Log, Numbers, Sample, as_number, as_time
from holdfast.evaluate.logs.means import lm_eval_means, require_mean
from holdfast.evaluate.logs.shapes import LM_EVAL_RESULTS, LM_EVAL_ROW, require_shape
from holdfast.evaluate.logs.wrong_logs import cut_off, parse_lines, without_ids
from holdfast.json_files import digest

PROGRAM = "lm-eval"
SAMPLES, RESULTS = "samples_*.jsonl", "results_*.json"
SAMPLES_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>[^_]+)\.jsonl")
RESULTS_NAME = re.compile(r".+_\d{4}-\d\d-\d\dT[^_]+\.json")
DEPTH = ("", "*/", "*/*/")
"""Folders below the given one that are looked into: lm-eval makes one for the model."""
OTHER_FIELDS = {
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
    "target_hash",
}  # fmt: skip
"""Fields of a sample that are no metric. Versions before 0.4.8 do not list the metrics."""
QUESTIONS = ("question", "query", "prompt", "input", "text", "goal", "ctx", "problem")
"""Fields of a document by which people recognise it."""
NO_FILTER = "none"
MODEL = ("model_name", "model_name_sanitized", "model_source")
"""Entries of the results that name the model. Two models can have equal samples, and are two logs all the same."""
LIKELIHOODS = (["True"], ["False"])
"""Ends of a response that is a likelihood: whether it is that of the likeliest text."""


class Run(NamedTuple):
    """The files of one run: samples of each task, and the results of all of them, if they are there."""

    samples: Mapping[str, Path]
    results: Path | None


def is_log(path: Path) -> bool:
    """Tells from names of files whether a path is a run of lm-eval."""
    if path.is_dir():
        return any(any(path.glob(depth + name)) for depth in DEPTH for name in (SAMPLES, RESULTS))
    return path.is_file() and bool(SAMPLES_NAME.fullmatch(path.name) or RESULTS_NAME.fullmatch(path.name))


def read(path: Path) -> Log:
    """Reads the samples of one run: a folder with one run in it, its results file, or the samples of one task.

    Raises:
        ValueError: the path has no samples, samples of several runs, or fewer samples than were evaluated.
    """
    run = _find_run(path)
    results = json.loads(run.results.read_text(encoding="utf-8")) if run.results else {}
    require_shape(run.results or path, PROGRAM, results, LM_EVAL_RESULTS)
    by_task = {task: _read_task(file) for task, file in sorted(run.samples.items())}
    _check_all_there(path, results, {task: len(samples) for task, samples in by_task.items()}, path.is_dir())
    for task, documents in by_task.items():
        _check_means(path, results, task, documents)
    samples = tuple(
        Sample(key, _prompt(rows[0]), _asked(rows[0]), _numbers(rows), task, response=_response(rows[0]))
        for task, documents in by_task.items()
        for key, rows in documents.items()
    )
    scoring, generation = _settings(results, tuple(by_task))
    version = str(results.get("lm_eval_version", "unknown"))
    hashes = sorted(digest(file.read_bytes().hex()) for file in run.samples.values())
    same = digest([*(results.get(name) for name in MODEL), *hashes])
    named = SAMPLES_NAME.fullmatch(next(iter(run.samples.values())).name)
    began = as_time(results.get("date")) or (as_time(_iso(named["date"])) if named else None)
    return Log(PROGRAM, version, path, results.get("model_name"), samples, scoring, generation, same, began)


def _iso(date: str) -> str:
    """Turns the date in a file name into ISO 8601: 2026-12-01T10-04-03 has hyphens in place of colons."""
    day, _, time = date.partition("T")
    return f"{day}T{time.replace('-', ':')}"


def _find_run(path: Path) -> Run:
    """Finds the files of the one run at a path."""
    runs: dict[tuple[Path, str], dict[str, Path]] = {}
    for file in _sample_files(path):
        name = SAMPLES_NAME.fullmatch(file.name)
        if name and (path.is_dir() or file == path or name["date"] == path.stem.rpartition("_")[2]):
            runs.setdefault((file.parent, name["date"]), {})[name["task"]] = file
    if not runs:
        raise ValueError(
            f"{str(path)!r} holds results of lm-eval without samples; evaluate again with --log_samples, as samples "
            "are compared one by one."
        )
    if len(runs) > 1:
        dates = ", ".join(sorted(date for _, date in runs)[:3])
        raise ValueError(
            f"{str(path)!r} holds {len(runs)} runs of lm-eval ({dates}); give the results file of one of them."
        )
    ((folder, date), samples), *_ = runs.items()
    return Run(samples, next(iter(sorted(folder.glob(f"*_{date}.json"))), None))


def _sample_files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for depth in DEPTH for file in sorted(path.glob(depth + SAMPLES)))
    elif SAMPLES_NAME.fullmatch(path.name):
        yield path
    else:
        yield from sorted(path.parent.glob(SAMPLES))


def _read_task(path: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Reads the rows of each document: one for every filter."""
    documents: dict[str, list[Mapping[str, Any]]] = {}
    for row in parse_lines(path, PROGRAM, lambda _: LM_EVAL_ROW):
        if row.get("doc_id") is None:
            raise without_ids(path, PROGRAM, "a sample has no doc_id", "evaluate again with a newer version of lm-eval")
        rows = documents.setdefault(str(row["doc_id"]), [])
        if any(other.get("filter") == row.get("filter") for other in rows):
            raise without_ids(path, PROGRAM, f"two samples have the doc_id {row['doc_id']}", "give a file of one run")
        rows.append({name: value for name, value in row.items() if name != "arguments"})
    return documents


def _check_all_there(path: Path, results: Mapping[str, Any], counts: Mapping[str, int], whole: bool) -> None:
    """Raises ValueError when a task has fewer samples than were evaluated, or none where the whole run is given."""
    expected = {task: count.get("effective") for task, count in (results.get("n-samples") or {}).items()}
    for task, number in expected.items():
        if isinstance(number, int) and counts.get(task, 0) < number and (whole or task in counts):
            raise cut_off(path, PROGRAM, f"task {task!r} has {counts.get(task, 0)} of {number} samples")


def _check_means(
    path: Path, results: Mapping[str, Any], task: str, documents: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    """Raises ValueError when the results record another mean than the samples of a task give."""
    every = [row for rows in documents.values() for row in rows]
    for metric, filtered, value in lm_eval_means(results, task):
        rows = [row for row in every if metric in row and str(row.get("filter", NO_FILTER)) == (filtered or NO_FILTER)]
        name = f"{metric}{f',{filtered}' if filtered not in ('', NO_FILTER) else ''} of task {task!r}"
        require_mean(path, PROGRAM, name, value, [as_number(row[metric]) for row in rows])


def _numbers(rows: list[Mapping[str, Any]]) -> Numbers:
    """Reads the number of every metric, named with its filter where the metric has several."""
    values: dict[str, dict[str, object]] = {}
    for row in rows:
        metrics = row["metrics"] if isinstance(row.get("metrics"), list) else [*row.keys() - OTHER_FIELDS]
        for metric in metrics:
            values.setdefault(metric, {})[str(row.get("filter", NO_FILTER))] = row.get(metric)
    return {
        metric if len(by_filter) == 1 else f"{metric},{name}": as_number(value)
        for metric, by_filter in sorted(values.items())
        for name, value in by_filter.items()
        if not isinstance(value, list | dict | str)
    }


def _settings(results: Mapping[str, Any], tasks: tuple[str, ...]) -> tuple[dict[str, object], dict[str, object]]:
    """Collects the settings that must be equal, and those that a comparison warns of."""
    configs: Mapping[str, Any] = results.get("configs") or {}
    kwargs: dict[str, object] = {
        f"generation of {task}": configs.get(task, {}).get("generation_kwargs") for task in tasks
    }
    scoring: dict[str, object] = {f"the version of {task}": (results.get("versions") or {}).get(task) for task in tasks}
    scoring |= {f"the few-shot examples of {task}": (results.get("n-shot") or {}).get(task) for task in tasks}
    generation: dict[str, object] = {
        "system instruction": results.get("system_instruction_sha"),
        "use of a chat template": bool(results.get("chat_template_sha")),
        **kwargs,
    }
    return (scoring, generation) if results else ({}, {})


def _asked(row: Mapping[str, Any]) -> str:
    return digest([row.get("doc"), row.get("target")])


def _response(row: Mapping[str, Any]) -> str:
    """Returns the text that the model generated. Empty where it gave likelihoods."""
    responses = row.get("resps")
    while isinstance(responses, list) and responses and responses[1:] not in LIKELIHOODS:
        responses = responses[0]
    return responses if isinstance(responses, str) else ""


def _prompt(row: Mapping[str, Any]) -> str:
    document = row.get("doc")
    if not isinstance(document, Mapping):
        return str(document)
    return next((str(document[name]) for name in QUESTIONS if document.get(name)), json.dumps(document)[:200])
