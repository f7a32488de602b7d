"""Writes evaluation results for a model's page on the Hugging Face hub.

    .eval_results/MEASURE.yaml  a list with one entry: dataset (id, task_id, revision), value, source (url), notes
    model-index                 the older form, in the metadata of a README.md

The first follows docs/hub/eval-results.md of huggingface/hub-docs at commit 064c754. There `id` must be a dataset on
the hub that is registered as a benchmark, and `task_id` one of the tasks in its eval.yaml. The hub checks both.

So only a rate on one whole set that lies on the hub has an entry, or one that the user names a benchmark for. A rate on
a part of a set, on several sets, or on a file is none of a benchmark's results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from holdfast.counts import counted
from holdfast.measure_names import PROMPT_SETS, measure_words
from holdfast.outcomes import Evaluation, Rate
from holdfast.report.prompt_sets import TESTBED, known_set, public_name
from holdfast.report.words import decimals
from holdfast.spelling import meant

DEFAULT_TASK = "default"
MIRRORS = {"openai/grade-school-math": "openai/gsm8k"}
"""Datasets on the hub that their authors also keep on GitHub."""
TASK_TYPE = "text-generation"
BETTER = {"asr": "lower", "not_refused": "lower", "over_refusal": "lower", "borderline": "lower"}
"""Direction in which a measure is better, if it is not higher."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """A dataset on the hub, and a task of its eval.yaml."""

    dataset: str
    task: str = DEFAULT_TASK
    revision: str | None = None
    """The dataset's commit. None leaves it open."""


@dataclass(frozen=True)
class HubResult:
    """A measured rate on a dataset of the hub."""

    measure: str
    """Name of the measure, such as asr."""
    rate: Rate
    benchmark: Benchmark
    about: str
    """Words on the judge and on how the responses were made."""

    @property
    def value(self) -> float:
        """The rate with as many digits as its interval supports, and two more."""
        assert self.rate.value is not None
        return round(self.rate.value, decimals(self.rate) + 2)

    def entry(self, source: str | None = None) -> Json:
        """Returns the entry of .eval_results/MEASURE.yaml. `source` is the address of the logs or of a paper."""
        benchmark = self.benchmark
        dataset = {"id": benchmark.dataset, "task_id": benchmark.task}
        dataset |= {"revision": benchmark.revision} if benchmark.revision else {}
        better = BETTER.get(self.measure, "higher")
        notes = f"{measure_words(self.measure)} ({better} is better), {self.rate:.3f}, 95% interval; {self.about}"
        where = {"source": {"url": source, "name": "holdfast"}} if source else {}
        return {"dataset": dataset, "value": self.value, **where, "notes": notes}

    def indexed(self) -> Json:
        """Returns the result as model-index lists it."""
        benchmark = self.benchmark
        dataset = {"type": benchmark.dataset, "name": benchmark.dataset.rpartition("/")[2]}
        dataset |= {"revision": benchmark.revision} if benchmark.revision else {}
        metric = {"type": self.measure, "name": measure_words(self.measure), "value": self.value}
        return {"task": {"type": TASK_TYPE}, "dataset": dataset, "metrics": [metric]}


def hub_results(
    evaluation: Evaluation, about: str, benchmarks: Mapping[str, Benchmark], *, allow_other_set: bool = False
) -> tuple[list[HubResult], list[str]]:
    """Returns the results that belong on the hub, and a sentence on each measured rate that does not.

    Args:
        evaluation: the evaluation, with its prompt sets.
        about: words on the judge and on how the responses were made.
        benchmarks: benchmarks that the user names, by measure.
        allow_other_set: whether a benchmark may be named for a set that is known not to be it.

    Raises:
        ValueError: a benchmark is named for an unknown measure, for one that was not measured, or for a known set that
            is not that benchmark.
    """
    rates = _rates(evaluation)
    for name in benchmarks:
        if name not in rates:
            raise ValueError(f"a benchmark is named for {name!r}, which was not measured; {meant(name, rates)}.")
    results, left_out = [], []
    for measure, rate in rates.items():
        sets = _sets(evaluation, PROMPT_SETS[measure])
        named = benchmarks.get(measure)
        if named and not allow_other_set:
            _refuse_other_set(measure, named, sets)
        if found := named or _on_hub(sets):
            words = [*(_measured_on(sets) if named else _parts(sets)), about]
            results.append(HubResult(measure, rate, found, ", ".join(words)))
        else:
            left_out.append(f"{measure}: {_why_not(sets)}")
    return results, left_out


def parse_benchmark(text: str) -> tuple[str, Benchmark]:
    """Parses MEASURE=DATASET or MEASURE=DATASET:TASK, as in utility=openai/gsm8k:main."""
    measure, mark, named = text.partition("=")
    dataset, _, task = named.partition(":")
    if not mark or dataset.count("/") != 1 or not all(dataset.split("/")):
        raise ValueError(f"{text!r} names no benchmark; write MEASURE=OWNER/DATASET:TASK, as in {EXAMPLE}.")
    return measure.strip(), Benchmark(dataset, task or DEFAULT_TASK)


EXAMPLE = "utility=openai/gsm8k:main"


def require_address(source: str) -> None:
    """Raises ValueError when a source is no address, because the hub links to it."""
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"--source {source!r} is no address; give one that begins with https://, or leave it out.")


def to_yaml(content: object) -> str:
    """Writes YAML as the hub reads it."""
    from huggingface_hub.utils import yaml_dump

    return yaml_dump(content, sort_keys=False)


def _rates(evaluation: Evaluation) -> dict[str, Rate]:
    """Returns the measured rates that are shares of whole prompt sets."""
    measure, safety = evaluation.safety
    named = {measure: safety, **evaluation.rates}
    return {name: rate for name, rate in named.items() if name in PROMPT_SETS and rate.value is not None}


def _sets(evaluation: Evaluation, option: str) -> Sequence[Mapping[str, Any]]:
    sets = evaluation.made_by.get("prompt_sets")
    return sets.get(option, ()) if isinstance(sets, Mapping) else ()


def _on_hub(sets: Sequence[Mapping[str, Any]]) -> Benchmark | None:
    """Returns the dataset on the hub that is the one whole set. None for files, parts and several sets."""
    if len(sets) != 1 or "#" in str(sets[0]["name"]):
        return None
    known = known_set(sets[0])
    return Benchmark(known.repository, revision=known.revision) if known and known.host == "hub" else None


def _parts(sets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Says which part of a set was used, if it was not all of it."""
    parts = [str(entry["name"]).partition("#")[2] for entry in sets]
    return [f"only {' and '.join(filter(None, parts))}"] if any(parts) else []


def _measured_on(sets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names the sets that were used, for a benchmark that the user names."""
    names = [f"{public_name(str(entry['name']))} ({counted(int(entry['prompts']), 'prompt')})" for entry in sets]
    return [f"measured on {' and '.join(names)}"] if names else []


def _refuse_other_set(measure: str, named: Benchmark, sets: Sequence[Mapping[str, Any]]) -> None:
    """Raises ValueError when a set is known, and known not to be the benchmark. Nobody knows that of other files."""
    for entry in sets:
        known, name = known_set(entry), str(entry["name"])
        if known is None and not name.startswith(TESTBED):
            continue
        if known and named.dataset in (known.repository, MIRRORS.get(known.repository)):
            continue
        raise ValueError(
            f"the benchmark {named.dataset!r} is named for {measure}, which was measured on {public_name(name)!r}; "
            "name the benchmark of that set, or say with --allow-other-set that it is a copy of the benchmark."
        )


def _why_not(sets: Sequence[Mapping[str, Any]]) -> str:
    if not sets:
        return "the evaluation does not record its prompt sets"
    if len(sets) > 1:
        return f"it is a share of {len(sets)} sets together"
    name = str(sets[0]["name"])
    return "only a part of a set was used" if "#" in name and known_set(sets[0]) else "its set is no dataset on the hub"
