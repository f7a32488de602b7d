"""Reads holdfast's tensor files as counts by layer and component. For a mask it reads only the header.

Tensor libraries are imported only for files that need them, so that a mask of any size opens at once.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

from holdfast.arguments import MisfitError
from holdfast.granularity import UNITS, Granularity
from holdfast.made_by import Meta, named_base, summary
from holdfast.models.by_layer import ByLayer, count_by_layer, density
from holdfast.progress import Progress, silent
from holdfast.remedy import remedy
from holdfast.shares import share_words
from holdfast.tensor_headers import TensorHeader, read_tensor_header

LISTED = 10
"""Number of neurons with the largest scores that are listed."""


class Neuron(NamedTuple):
    """A neuron with its score."""

    layer: int | None
    neuron: int
    """Its position among the neurons of its layer, from 0 on."""
    score: float


@dataclass(frozen=True)
class LayerMap:
    """Counts of a tensor file by layer and component."""

    path: Path
    kind: str
    by_layer: ByLayer
    title: str
    """Sentence with the selected number and the total."""
    base: str
    """Fingerprint of the model."""
    made_by: Meta
    facts: Mapping[str, object]
    """Numbers about the whole file, by name."""
    note: str = ""
    """Sentence on how the weights were counted. Empty where the count is exact."""
    largest: tuple[Neuron, ...] = ()
    """The neurons with the largest scores, the largest first. Empty for other files than scores of neurons."""

    def rows(self) -> list[tuple[str, str]]:
        """Returns rows of facts about the file, to print beside the table."""
        note = [("count", self.note)] if self.note else []
        return [("file", str(self.path)), ("model", named_base(self.made_by, self.base)), *note, *self._origin()]

    def as_json(self) -> dict[str, object]:
        """Returns the counts and facts as one JSON object."""
        whole = self.by_layer.whole
        counts = {"entries": whole.entries, "selected": whole.chosen, "density": density(whole)}
        about = {"file": str(self.path), "kind": self.kind, "base": self.base, "made_from": summary(self.made_by)}
        largest = {"largest_neurons": [neuron._asdict() for neuron in self.largest]} if self.largest else {}
        return {**about, **counts, **self.facts, **largest, "by_component": self.by_layer.records()}

    def _origin(self) -> list[tuple[str, str]]:
        """Lists the origin that holdfast recorded, or what a script wrote in its place."""
        known = {name: text for name, text in summary(self.made_by).items() if name != "model"}
        plain = (str, int, float)
        own = {} if "holdfast" in known else self.made_by
        others = {name: str(value) for name, value in own.items() if isinstance(value, plain) and name not in known}
        return [*known.items(), *others.items()]


def read_map(path: Path, kind: str, progress: Progress = silent, fraction: float | None = None) -> LayerMap:
    """Reads a file of this kind, one of `MAPS`.

    Args:
        path: the file.
        kind: its kind.
        progress: called after every tensor of a file that is read as a whole.
        fraction: share of the scores to count, in (0, 1). None counts 1%. Other kinds of files ignore it.

    Raises:
        ValueError: the file is broken, or contains no weight.
    """
    header = read_tensor_header(path, kind)
    try:
        layer_map = MAPS[kind](path, header, progress, fraction)
    except KeyError as error:
        raise ValueError(f"{kind} file {str(path)!r} lacks {error}; {remedy(path, kind)}.") from error
    except (TypeError, AttributeError, IndexError, MisfitError, json.JSONDecodeError) as error:
        what = f"{kind} file {str(path)!r} is not as holdfast writes it: {str(error).removesuffix('.')}"
        raise ValueError(f"{what}; {remedy(path, kind)}.") from error
    if not layer_map.by_layer.parts:
        raise ValueError(f"{kind} file {str(path)!r} contains no weight, so there is nothing to show; give another.")
    return layer_map


EXACT = "this count uses the upper bits of scores, and holdfast select selects exactly"
"""The reason why the count of a score file is a little larger than a mask of the same share."""


def mask_title(selected: int, entries: int, num_parameters: int, units: str = UNITS["weight"]) -> str:
    """Returns '1,061,683 weights selected: 1.00% of the scored, 0.789% of all'."""
    of_scored, of_all = (share_words(selected, whole) for whole in (entries, num_parameters))
    return f"{selected:,} {units} selected: {of_scored} of the scored, {of_all} of all"


def _read_mask(path: Path, file: TensorHeader, progress: Progress, fraction: float | None) -> LayerMap:
    header = _own_header(file)
    counts = {name: record["shape"][0] for name, record in file.records.items()}
    units = UNITS[header.get("granularity", "weight")]
    by_layer = count_by_layer(header["shapes"], counts, units=units)
    unknown = sorted(counts.keys() - header["shapes"].keys())
    if unknown or any(part.chosen > part.entries for part in by_layer.parts):
        what = f"selects entries of {unknown[0]!r}, which has no shape" if unknown else "selects more than there is"
        raise ValueError(f"mask file {str(path)!r} {what}; {remedy(path, 'mask')}.")
    whole, num_parameters = by_layer.whole, header["num_parameters"]
    facts = {"num_parameters": num_parameters}
    title = mask_title(whole.chosen, whole.entries, num_parameters, units)
    return LayerMap(path, "mask", by_layer, title, header["base"], header["made_by"], facts)


def _read_scores(path: Path, file: TensorHeader, progress: Progress, fraction: float | None) -> LayerMap:
    from holdfast.pipeline.counting import count_largest

    header = _own_header(file)
    largest = count_largest(path, progress, fraction)
    by_layer = replace(largest.by_layer, units=UNITS[header.get("granularity", "weight")])
    whole = by_layer.whole
    facts = {"unit": header["unit"], "num_parameters": header["num_parameters"], "least": largest.least}
    facts |= {"fraction": largest.fraction}
    count = f"{whole.chosen:,} of {whole.entries:,} ({share_words(whole.chosen, whole.entries)})"
    exact = round(largest.fraction * whole.entries) == whole.chosen
    note = "" if exact else f"about the {by_layer.chosen}: {EXACT}"
    title = f"The largest scores: {count} are {largest.least:.3g} or more ({header['unit']})"
    if not whole.chosen:
        title = f"All {whole.entries:,} scores are 0 ({header['unit']})"
    neurons = _largest_neurons(path) if header.get("granularity") == "neuron" else ()
    return LayerMap(path, "scores", by_layer, title, header["base"], header["made_by"], facts, note, neurons)


def _largest_neurons(path: Path) -> tuple[Neuron, ...]:
    """Finds the neurons with the largest scores. Scores of 0 are left out."""
    from holdfast.artifacts import load_scores
    from holdfast.models.paths import layer_and_path

    candidates = []
    for name, scores in load_scores(path).entries.items():
        values, places = scores.flatten().topk(min(LISTED, scores.numel()))
        layer = layer_and_path(name)[0]
        candidates += [Neuron(layer, *pair) for pair in zip(places.tolist(), values.tolist(), strict=True)]
    ranked = sorted(candidates, key=lambda neuron: -neuron.score)
    return tuple(neuron for neuron in ranked[:LISTED] if neuron.score > 0)


def _read_patch(path: Path, file: TensorHeader, progress: Progress, fraction: float | None) -> LayerMap:
    from holdfast.intervene.patch.patch_files import open_patch
    from holdfast.pipeline.patching import changes_by_layer, patch_title

    opened = open_patch(path)
    by_layer = changes_by_layer(opened)
    size, mean = path.stat().st_size, by_layer.mean_of(by_layer.whole)
    facts = {"reversible": opened.reversible, "bytes": size, "mean_change": mean}
    return LayerMap(path, "patch", by_layer, patch_title(by_layer), opened.base, opened.made_by, facts)


class _Header(TypedDict):
    """Header of a mask or of scores, as far as the table shows it."""

    shapes: dict[str, list[int]]
    num_parameters: int
    base: str
    made_by: Meta
    unit: str
    """Only scores have one."""
    granularity: NotRequired[Granularity]
    """Only files of other units than weights have one."""


def _own_header(file: TensorHeader) -> _Header:
    return json.loads(file.metadata["header"])


MAPS: Mapping[str, Callable[[Path, TensorHeader, Progress, float | None], LayerMap]] = {
    "mask": _read_mask,
    "scores": _read_scores,
    "patch": _read_patch,
}
"""Readers of files that have a table by layer, by kind."""
