"""Scores a model on files one layer at a time, and writes scores, or masks that are selected during scoring.

During scoring the folder OUT.unfinished holds hidden states and gradients between layers, and the scores of finished
layers. Scores are written layer by layer, so an interrupted scoring resumes with the next layer. Masks are selected
from candidates in memory, so after an interruption all layers are scored again, from the saved hidden states.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from holdfast.artifacts import ScoresFile, load_json, save_json, save_mask
from holdfast.models.layered import open_layered
from holdfast.pipeline.outputs import unfinished
from holdfast.pipeline.scoring_files import files_of, stability_of
from holdfast.pipeline.scoring_sources import GivenExchanges, JudgedPrompts
from holdfast.pipeline.scoring_spec import Scored
from holdfast.progress import Progress
from holdfast.score import layer_scores
from holdfast.score.layer_scores import LayerScores
from holdfast.score.scoring import HalvedScores, ScoreOptions
from holdfast.select.algebra import random_iou, random_iou_per_tensor
from holdfast.select.candidates import Candidates
from holdfast.select.jackknife import iou_interval
from holdfast.select.top import TopOptions
from holdfast.values import Scores


def score_by_layer(source: GivenExchanges | JudgedPrompts, progress: Progress) -> Scored:
    """Writes scores, or masks, with one layer of the model in memory at a time."""
    spec = source.spec
    layered = open_layered(spec.model, progress=progress)
    settings = {**spec.settings(layered.loaded), "keep": spec.layers.keep, **source.settings}
    score_options = ScoreOptions(method=spec.options.method, token_budget=spec.options.token_budget)
    with unfinished(spec.out, settings) as folder:
        made = source.make(layered.loaded, folder, progress)
        beside = source.beside(made.responses)
        outline = layer_scores.outline_scores(layered, made.objective, score_options, spec.seed, beside)
        taker = _Files(outline, folder) if spec.layers.keep is None else _Masks(outline, spec.layers.keep)
        tally = _Tally(folder / "layers.json")
        kept = {"folder": folder / "layers", "keep_layers": spec.layers.keep is None}
        passes = layer_scores.score_by_layer(layered, made.objective, score_options, progress, seed=spec.seed, **kept)
        with closing(passes) as scored:
            for layer in scored:
                taker.take(layer)
                tally.add(layer)
        whole, first_half, second_half = (
            replace(part, made_by={**part.made_by, **tally.idle(place)}) for place, part in enumerate(_parts(outline))
        )
        return Scored(whole, tally.largest, taker.save(spec.out, (whole, first_half, second_half)))


class _Files:
    """Writes scores into files, which get their names once all layers are in them."""

    def __init__(self, outline: HalvedScores, folder: Path) -> None:
        paths = [folder / path.name for path in files_of(Path("scores.safetensors"))]
        self._files = [ScoresFile(path, part) for path, part in zip(paths, _parts(outline), strict=True)]

    def take(self, layer: LayerScores) -> None:
        for file, entries in zip(self._files, layer.entries, strict=True):
            for name, scores in entries.items():
                file.write(name, scores)

    def save(self, out: Path, outlines: Sequence[Scores]) -> None:
        for file, outline in zip(self._files, outlines, strict=True):
            file.finish(outline)
        for file, path in reversed(list(zip(self._files, files_of(out), strict=True))):
            # The file of all prompts comes last: if it exists, all files do.
            os.replace(file.path, path)


class _Masks:
    """Keeps only candidates of the scores, and selects the masks from them in the end."""

    def __init__(self, outline: HalvedScores, fraction: float) -> None:
        self._candidates = [Candidates(part, TopOptions(fraction=fraction)) for part in _parts(outline)]

    def take(self, layer: LayerScores) -> None:
        for candidates, entries in zip(self._candidates, layer.entries, strict=True):
            for name, scores in entries.items():
                candidates.add(name, scores)

    def save(self, out: Path, outlines: Sequence[Scores]) -> Mapping[str, float | None]:
        masks = [
            candidates.select(outline.made_by) for candidates, outline in zip(self._candidates, outlines, strict=True)
        ]
        low, high = iou_interval(masks[1], masks[2])
        agreement = {"iou": masks[1].iou(masks[2]), "random_iou": random_iou(masks[1], masks[2])}
        agreement |= {"iou_low": low, "iou_high": high}
        agreement["random_iou_per_tensor"] = random_iou_per_tensor(masks[1], masks[2])
        save_json(stability_of(out), {**agreement, "made_by": masks[0].made_by})
        for mask, path in reversed(list(zip(masks, files_of(out), strict=True))):
            save_mask(path, mask)
        return agreement


class _Tally:
    """Largest scores and idle experts of finished layers, kept on disk for the summary."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._layers = load_json(path) if path.is_file() else {}

    def add(self, layer: LayerScores) -> None:
        largest = {name: float(scores.max()) for name, scores in layer.entries[0].items()}
        self._layers[str(layer.number)] = {"largest": largest, "idle": [dict(part) for part in layer.idle]}
        save_json(self._path, self._layers)

    @property
    def largest(self) -> dict[str, float]:
        return {name: value for layer in self._layers.values() for name, value in layer["largest"].items()}

    def idle(self, part: int) -> dict[str, int]:
        """Counts the experts that no token reached, over all layers with experts."""
        counts = [layer["idle"][part] for layer in self._layers.values() if layer["idle"][part]]
        return {name: sum(count[name] for count in counts) for name in (counts[0] if counts else {})}


def _parts(halved: HalvedScores) -> tuple[Scores, Scores, Scores]:
    return halved.whole, halved.first, halved.second
