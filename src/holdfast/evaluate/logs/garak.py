"""Logs of garak (NVIDIA's scanner): NAME.report.jsonl, one entry a line

The measure is `asr`, the share of responses that the probe's detector calls a hit, over all probes and for each of them
(asr/PROBE). A detector gives scores in [0, 1], and a hit is a score of at least the run's threshold. Garak records no
threshold, but it records how many responses of a probe passed. So the threshold is taken as 0.5, garak's default, where
that gives the recorded counts, and else as the lowest score that did not pass. Several responses to one prompt count as
one sample, whose number is their share of hits. A further detector of a probe is a measure of its own, asr,DETECTOR.
Garak gives attempts new ids in every run, so samples are matched by probe and prompt.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.evaluate.logs.log import Log, Sample, as_number, as_time
from holdfast.evaluate.logs.shapes import GARAK_ATTEMPT, GARAK_EVAL, Shape
from holdfast.evaluate.logs.wrong_logs import cut_off, other_version, parse_lines
from holdfast.json_files import digest

PROGRAM = "garak"
DEFAULT_THRESHOLD = 0.5
EVALUATED = 2
"""Status of an attempt that detectors have judged."""
MEASURE = "asr"
Attempts = Sequence[Mapping[str, Any]]


def is_log(path: Path) -> bool:
    """Tells whether a file is a report of garak, from its first line."""
    if not path.is_file() or path.suffix != ".jsonl":
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return '"entry_type"' in file.readline()[:4000]


def read(path: Path) -> Log:
    """Reads a report.

    Raises:
        ValueError: the run did not finish, lacks attempts, or was written by a version with other entries.
    """
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for entry in parse_lines(path, PROGRAM, _shape):
        entries.setdefault(str(entry.get("entry_type")), []).append(_needed(entry))
    _check_complete(path, entries)
    setup = entries.get("start_run setup", [{}])[0]
    version = str((entries.get("init") or [{}])[0].get("garak_version") or setup.get("_config.version", "unknown"))
    attempts = [entry for entry in entries["attempt"] if entry.get("status") == EVALUATED]
    threshold = _threshold(path, entries["eval"], attempts)
    samples = tuple(_samples(attempts, threshold))
    named = DEFAULT_THRESHOLD if threshold == DEFAULT_THRESHOLD else "another than 0.5"
    generation = {"garak's version": version, "responses to a prompt": setup.get("run.generations")}
    scoring, init = {"the threshold of hits": named}, (entries.get("init") or [{}])[0]
    began = as_time(init.get("start_time"))
    return Log(PROGRAM, version, path, _model(setup), samples, scoring, generation, init.get("run"), began)


def _shape(entry: Mapping[str, Any]) -> Shape:
    """The shape that an entry must have."""
    if entry.get("entry_type") == "attempt" and entry.get("status") == EVALUATED:
        return GARAK_ATTEMPT
    return GARAK_EVAL if entry.get("entry_type") == "eval" else dict


def _needed(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keeps of an attempt the few fields that are read."""
    if entry.get("entry_type") != "attempt":
        return entry
    return {name: entry.get(name) for name in ("status", "probe_classname", "prompt", "outputs", "detector_results")}


def _check_complete(path: Path, entries: Mapping[str, Sequence[object]]) -> None:
    """Raises ValueError when a run has no end, no attempts or no evaluation."""
    if "completion" not in entries:
        raise cut_off(path, PROGRAM, "it has no entry of its completion")
    missing = [kind for kind in ("attempt", "eval") if kind not in entries]
    if missing:
        raise other_version(
            path, PROGRAM, f"a run without entries of kind {missing[0]!r}", "reports of runs that probed a model"
        )


def _threshold(path: Path, evaluations: Attempts, attempts: Attempts) -> float:
    """Finds a threshold that gives the recorded numbers of passed responses. Every other one gives the same hits."""
    scores: dict[tuple[str, str], list[float]] = {}
    unscored: Counter[tuple[str, str]] = Counter()
    for attempt in attempts:
        for detector, given in attempt["detector_results"].items():
            at = (attempt["probe_classname"], detector)
            numbers = [as_number(score) for score in given]
            scores.setdefault(at, []).extend(number for number in numbers if number is not None)
            unscored[at] += numbers.count(None)
    bounds = []
    for one in evaluations:
        at = (one["probe"], one["detector"].removeprefix("detector."))
        ordered, passed = sorted(scores.get(at, [])), one["passed"]
        total = one.get("total_processed", len(ordered) + unscored[at])
        if len(ordered) + unscored[at] != total:
            raise cut_off(path, PROGRAM, f"probe {at[0]} has {len(ordered) + unscored[at]} of {total} responses")
        bounds.append((ordered[passed - 1] if passed else -math.inf, ordered[passed] if ordered[passed:] else math.inf))
    highest_pass, lowest_hit = max(low for low, _ in bounds), min(high for _, high in bounds)
    if highest_pass >= lowest_hit:
        raise ValueError(
            f"{str(path)!r} is a log of {PROGRAM} whose numbers of hits follow from no threshold; evaluate again with "
            "one threshold for all detectors."
        )
    return DEFAULT_THRESHOLD if highest_pass < DEFAULT_THRESHOLD <= lowest_hit else lowest_hit


def _samples(attempts: Attempts, threshold: float) -> Iterator[Sample]:
    """Yields a sample for every attempt. Attempts with one prompt are numbered in their order."""
    seen: Counter[tuple[str, str]] = Counter()
    for attempt in attempts:
        probe, prompt = attempt["probe_classname"], _prompt(attempt["prompt"])
        asked = digest(prompt)
        seen[probe, asked] += 1
        key = f"{asked[:12]}-{seen[probe, asked]}"
        results = attempt["detector_results"].items()
        scores = {
            MEASURE if place == 0 else f"{MEASURE},{detector}": given
            for place, (detector, given) in enumerate(results)  # the probe's own detector comes first
        }
        numbers = {name: _share(given, threshold) for name, given in scores.items()}
        unscored = {
            name: sum(as_number(score) is None for score in given) / len(given)
            for name, given in scores.items()
            if numbers[name] is not None
        }
        repeats = max(map(len, scores.values()), default=1)
        yield Sample(key, prompt, asked, numbers, probe, False, _response(attempt), unscored, repeats)


def _share(scores: Sequence[object], threshold: float) -> float | None:
    """Share of the responses that are hits. None where no response has a score."""
    numbers = [number for score in scores if (number := as_number(score)) is not None]
    return sum(number >= threshold for number in numbers) / len(numbers) if numbers else None


def _response(attempt: Mapping[str, Any]) -> str:
    """Returns the first response. Earlier versions wrote responses as plain text."""
    output = next(iter(attempt.get("outputs") or ()), None)
    return str(output.get("text") or "") if isinstance(output, Mapping) else str(output or "")


def _prompt(prompt: object) -> str:
    """Returns the text of a prompt: that of its last turn, or all of its turns as JSON."""
    if not isinstance(prompt, Mapping):
        return str(prompt)
    turns = [(turn["role"], turn["content"]["text"]) for turn in prompt["turns"]]
    return str(turns[0][1]) if len(turns) == 1 else json.dumps(turns, ensure_ascii=False)


def _model(setup: Mapping[str, Any]) -> str | None:
    """Returns the target's type and name, under the names of this or earlier versions."""
    words = [setup.get(f"plugins.target_{part}") or setup.get(f"plugins.model_{part}") for part in ("type", "name")]
    return " ".join(filter(None, words)) or None
