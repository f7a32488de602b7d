"""Logs of inspect (inspect_ai), as .eval archives or as JSON: https://inspect.aisi.org.uk/eval-logs.html

A measure is a scorer, such as `includes`, or SCORER/KEY where a scorer gives several values. Values become numbers by
inspect's own rule: C (correct) and yes or true are 1, P (partially correct) is 0.5, I (incorrect), N (no answer) and
no or false are 0. A text that is no number leaves the sample unscored. Epochs of one sample count as one sample, whose
number is their mean. Samples are matched by their ids. Input, choices and target must then agree.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.evaluate.logs.archive import Archive
from holdfast.evaluate.logs.log import Log, Numbers, Sample, as_number, as_time, mean_numbers, unscored_shares
from holdfast.evaluate.logs.means import inspect_means, require_mean
from holdfast.evaluate.logs.shapes import INSPECT_HEADER, INSPECT_SAMPLE, require_shape
from holdfast.evaluate.logs.wrong_logs import cut_off, other_version, without_ids
from holdfast.json_files import digest

PROGRAM = "inspect"
VERSION = 2
"""Version of the log that is read, which inspect has written since 2024."""
HEADER, START, SAMPLES = "header.json", "_journal/start.json", "samples/"
NEEDED = ("id", "epoch", "input", "choices", "target", "output", "scores", "error", "messages")
WORDS = {"c": 1.0, "p": 0.5, "i": 0.0, "n": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
LETTERS = ("C", "P", "I", "N")
GENERATION = ("temperature", "top_p", "max_tokens", "system_message", "reasoning_effort", "seed")
"""Settings of responses that a comparison looks at."""
ZIP = b"PK\x03\x04"


def is_log(path: Path) -> bool:
    """Tells whether a path is a log of inspect, finished or not."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4)
    if start == ZIP:
        return path.suffix == ".eval" or _has_members(path)
    return path.suffix in (".json", ".eval") and start[:1] in (b"{", b"\xef") and _looks_like_json_log(path)


def read(path: Path) -> Log:
    """Reads a log.

    Raises:
        ValueError: the evaluation did not finish, or the log is of another version or holds no sample.
    """
    with path.open("rb") as file:
        is_archive = file.read(4) == ZIP
    if not is_archive:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        require_shape(path, PROGRAM, content, {"samples": ([dict], None)})
        samples: list[Mapping[str, Any]] = list(content.get("samples") or ())
        for number, sample in enumerate(samples):
            require_shape(path, PROGRAM, sample, INSPECT_SAMPLE, f"samples[{number}]")
        return _log(path, content, samples)
    with Archive(path) as archive:
        if HEADER not in archive.names:
            raise cut_off(path, PROGRAM, "it has no header, which comes last")
        header = json.loads(archive.read(HEADER))
        names = [name for name in archive.names if name.startswith(SAMPLES) and name.endswith(".json")]
        return _log(path, header, [_needed(path, name, json.loads(archive.read(name))) for name in names])


def _needed(path: Path, name: str, sample: Mapping[str, Any]) -> dict[str, Any]:
    """Keeps the few entries that are read, so that memory does not hold all messages and events of all samples."""
    require_shape(path, PROGRAM, sample, INSPECT_SAMPLE, name)
    needed = {name: sample.get(name) for name in NEEDED}
    return needed | {"messages": [one for one in needed["messages"] or () if one.get("role") == "system"]}


def _log(path: Path, header: Mapping[str, Any], samples: list[Mapping[str, Any]]) -> Log:
    if header.get("version") != VERSION:
        raise other_version(path, PROGRAM, f"version {header.get('version')!r}", f"version {VERSION}")
    if header.get("status") != "success":
        raise cut_off(path, PROGRAM, f"its status is {header.get('status')!r}")
    if header.get("invalidated"):
        raise ValueError(
            f"{str(path)!r} is a log of {PROGRAM} that was marked as invalid; evaluate again, or give another log."
        )
    require_shape(path, PROGRAM, header, INSPECT_HEADER)
    spec = header["eval"]
    _check_all_there(path, header, samples)
    _check_means(path, header, samples)
    packages = spec.get("packages") or {}
    return Log(
        PROGRAM,
        str(packages.get("inspect_ai", "unknown")),
        path,
        spec.get("model"),
        tuple(_samples(path, samples)),
        {"task": spec.get("task"), "task version": spec.get("task_version")},
        {name: _generation(header).get(name) for name in GENERATION} | _prompting(header, samples),
        identity=spec.get("eval_id"),
        began=as_time(spec.get("created")),
    )


def _check_all_there(path: Path, header: Mapping[str, Any], samples: list[Mapping[str, Any]]) -> None:
    """Raises ValueError when the log has no samples, or fewer than were run."""
    if not samples:
        raise ValueError(
            f"{str(path)!r} is a log of {PROGRAM} without samples; run the evaluation without --no-log-samples, as "
            "samples are compared one by one."
        )
    total = (header.get("results") or {}).get("total_samples")
    if isinstance(total, int) and len(samples) < total:
        raise cut_off(path, PROGRAM, f"it has {len(samples)} of {total} samples")


def _check_means(path: Path, header: Mapping[str, Any], samples: list[Mapping[str, Any]]) -> None:
    """Raises ValueError when the log records another mean than its samples give.

    inspect counts a text that is no number as 0, or leaves it out, and may score a sample that ended in an error.
    """
    scored = [[one for one in samples if not one.get("error")], samples]
    ways = [_epochs(part, unscored) for part in scored for unscored in (None, 0.0)]
    for measure, value in inspect_means(header):
        require_mean(path, PROGRAM, measure, value, *([one.get(measure) for one in way] for way in ways))


def _epochs(samples: list[Mapping[str, Any]], unscored: float | None) -> list[Numbers]:
    """Computes the mean of every measure over the epochs of each sample, with this number for a score without one."""
    epochs: dict[str, list[Numbers]] = {}
    for sample in samples:
        numbers = {name: unscored if number is None else number for name, number in _scores(sample).items()}
        epochs.setdefault(str(sample.get("id")), []).append(numbers)
    return [mean_numbers(repeats) for repeats in epochs.values()]


def _samples(path: Path, samples: list[Mapping[str, Any]]) -> Iterator[Sample]:
    """Yields a sample for every id, with the mean over its epochs."""
    epochs: dict[str, dict[int, Mapping[str, Any]]] = {}
    for sample in samples:
        if sample.get("id") is None:
            raise without_ids(path, PROGRAM, "a sample has no id", "give every sample of the dataset an id")
        key, epoch = str(sample["id"]), int(sample.get("epoch") or 1)
        if epoch in epochs.setdefault(key, {}):
            raise without_ids(
                path, PROGRAM, f"two samples have the id {key!r} in one epoch", "give every sample an id of its own"
            )
        epochs[key][epoch] = sample
    for key, repeats in epochs.items():
        first = next(iter(repeats.values()))
        asked = digest([_texts(first.get("input")), first.get("choices"), first.get("target")])
        numbers = [*map(_numbers, repeats.values())]
        response = str((first.get("output") or {}).get("completion") or "")
        yield Sample(
            key,
            _prompt(first.get("input")),
            asked,
            mean_numbers(numbers),
            response=response,
            unscored=unscored_shares(numbers),
            repeats=len(repeats),
        )


def _numbers(sample: Mapping[str, Any]) -> Numbers:
    """Reads the numbers of one epoch. A sample that ended in an error has none."""
    return {} if sample.get("error") else _scores(sample)


def _scores(sample: Mapping[str, Any]) -> Numbers:
    """Reads the numbers of all scorers, also of a sample that ended in an error."""
    numbers: dict[str, float | None] = {}
    for scorer, score in (sample.get("scores") or {}).items():
        value = (score or {}).get("value")
        if isinstance(value, Mapping):
            numbers |= {f"{scorer}/{key}": _number(part) for key, part in value.items()}
        elif not isinstance(value, list):
            numbers[scorer] = _number(value)
    return numbers


def _number(value: object) -> float | None:
    if not isinstance(value, str):
        return as_number(value)
    if value in LETTERS or value.lower() in ("yes", "no", "true", "false"):
        return WORDS[value.lower()]
    try:
        return as_number(float(value))
    except ValueError:
        return None


def _texts(given: object) -> object:
    """Returns an input without the ids of its messages, which differ in every run."""
    if isinstance(given, list):
        return [[message.get("role"), message.get("content")] for message in given]
    return given


def _prompt(given: object) -> str:
    """Returns the text that people recognise an input by: its last message."""
    if isinstance(given, list):
        content = given[-1].get("content") if given else ""
        return content if isinstance(content, str) else json.dumps(content)
    return str(given)


def _generation(header: Mapping[str, Any]) -> dict[str, Any]:
    """Joins the settings of the model with those of the plan, which win."""
    model = header["eval"].get("model_generate_config") or {}
    return {**model, **((header.get("plan") or {}).get("config") or {})}


def _prompting(header: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Describes what was asked beside the input: the steps of the solver, and the system messages of all samples.

    A step may add a system message, which no setting of the responses shows. A log without steps or messages has no
    such entry, because it does not record them.
    """
    found: dict[str, object] = {}
    steps = (header.get("plan") or {}).get("steps")
    if steps is not None:
        named = [f"{step.get('solver')} {json.dumps(step.get('params') or {}, sort_keys=True)}" for step in steps]
        found["steps of the solver"] = ", ".join(named)
    if any(sample.get("messages") is not None for sample in samples):
        texts = {message for sample in samples for message in _system_messages(sample)}
        found["system message of the samples"] = " | ".join(sorted(texts))
    return found


def _system_messages(sample: Mapping[str, Any]) -> Iterator[str]:
    for message in sample.get("messages") or ():
        if message.get("role") == "system":
            content = message.get("content")
            yield content if isinstance(content, str) else json.dumps(content, sort_keys=True)


def _has_members(path: Path) -> bool:
    try:
        with Archive(path) as archive:
            return HEADER in archive.names or START in archive.names
    except ValueError:
        return False


def _looks_like_json_log(path: Path) -> bool:
    """Finds the keys of a log in its first characters, so that a log that was cut off is recognised too."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        start = file.read(2000)
    return '"status"' in start and '"eval"' in start and '"version"' in start
