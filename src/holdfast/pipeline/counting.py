"""Counts the largest scores of a file by layer and component. Memory holds a run of scores, never the whole file.

Scores are ranked by their upper 16 bits alone, which takes one pass. So the count includes all scores with the
same upper bits as the smallest of the largest share: about a hundredth more, or many more where many are equal
or the share is tiny.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from holdfast.models.by_layer import ByLayer, Part
from holdfast.models.paths import by_layer, layer_and_path
from holdfast.progress import Progress, silent
from holdfast.select.blocks import HALF_BITS, HostBlock
from holdfast.select.ranking import FIRST_UNRANKABLE, NEGATIVE_ZERO, count_selected
from holdfast.tensor_files import StoredTensor, read_header, runs

LARGEST = 0.01
"""Share of the scores that is counted by default. It is the default of `holdfast select`."""


@dataclass(frozen=True)
class LargestScores:
    """The largest scores, counted by layer."""

    by_layer: ByLayer
    least: float
    """Smallest score that counts among the largest."""
    fraction: float
    """Share of the scores that was to be counted."""


def count_largest(path: Path, progress: Progress = silent, fraction: float | None = None) -> LargestScores:
    """Counts, by layer and component, the scores above 0 that are among the largest ones, and adds up all scores.

    Args:
        path: the file of scores.
        progress: called after every tensor.
        fraction: share of the scores to count, in (0, 1). None counts 1%, and at least one score.

    Raises:
        ValueError: the file is broken, the fraction selects no score, or a score is NaN, infinite or negative.
    """
    stored, _ = read_header(path, "scores")
    share = LARGEST if fraction is None else fraction
    num_entries = sum(tensor.num_entries for tensor in stored.values())
    wanted = max(1, round(share * num_entries)) if fraction is None else count_selected(share, num_entries)
    places = {name: layer_and_path(name) for name in stored}
    counts = {place: np.zeros(FIRST_UNRANKABLE, np.int64) for place in places.values()}
    totals = dict.fromkeys(counts, 0.0)
    for done, (name, tensor) in enumerate(stored.items(), start=1):
        count, total = _count(path, name, tensor)
        counts[places[name]] += count
        totals[places[name]] += total
        progress("counting scores", done, len(stored))
    cut = _cut(sum(counts.values(), np.zeros(FIRST_UNRANKABLE, np.int64)), wanted)
    parts = [
        Part(*place, int(counts[place].sum()), int(counts[place][cut:].sum()), totals[place])
        for place in sorted(counts, key=by_layer)
        if counts[place].any()
    ]
    least = float(np.uint32(cut << HALF_BITS).view(np.float32))
    return LargestScores(ByLayer(tuple(parts), f"largest {100 * share:.4g}%", "score"), least, share)


def _count(path: Path, name: str, tensor: StoredTensor) -> tuple[np.ndarray, float]:
    """Counts each pattern of upper bits, and sums the scores."""
    counts, total = np.zeros(2**HALF_BITS, np.int64), 0.0
    for start, count in runs(tensor.num_entries):
        scores = tensor.read(start, count).float().numpy()
        counts += HostBlock(scores).upper_counts()
        total += float(scores.sum(dtype=np.float64))
    counts[0] += counts[NEGATIVE_ZERO]
    counts[NEGATIVE_ZERO] = 0
    if counts[FIRST_UNRANKABLE:].any():
        raise ValueError(
            f"scores file {str(path)!r} has scores of {name} that are NaN, infinite or negative; "
            "score again in float32."
        )
    return counts[:FIRST_UNRANKABLE], total


def _cut(counts: np.ndarray, wanted: int) -> int:
    """Returns the pattern of the smallest of the wanted largest scores. Zeros are never among them."""
    reached = counts[::-1].cumsum()
    return max(1, len(counts) - 1 - int(reached.searchsorted(wanted)))
