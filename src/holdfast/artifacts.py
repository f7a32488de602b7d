"""Saves and loads values: safetensors with metadata in the header, JSON for records, all written atomically.

`json_files` reads and writes plain text and JSON without torch. Its functions can be imported from here as well.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from holdfast.arguments import checked_call, require
from holdfast.artifact_files import explained, load_header, load_tensors, save_tensors, save_together
from holdfast.distributed import gathered, rank, share_of, world_size
from holdfast.file_kinds import identify_record
from holdfast.granularity import units_entry, units_of
from holdfast.json_files import digest as digest
from holdfast.json_files import load_json as load_json
from holdfast.json_files import save_json as save_json
from holdfast.json_files import save_text as save_text
from holdfast.made_by import Made, other_model_words
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate, TokenLosses
from holdfast.tensor_files import create, read_header, replace_metadata
from holdfast.values import Direction, Mask, Patch, Scores, ScoresShard, entries_in
from holdfast.wrong_files import refuse_other

FORMER_NAMES = {"over_refusal/borderline": "borderline"}
"""Names of an evaluation's groups in older files, with today's names."""
INT32_MAX = 2**31 - 1
ROOM = 256
"""Characters in reserve for the metadata of scores, which may grow while they are written."""


def seed_from(content: object) -> int:
    """Derives a seed below 2^60 from a JSON-able value. Equal values give equal seeds."""
    return int(digest(content)[:15], 16)


@checked_call
def save_scores(path: str | Path, scores: Scores) -> None:
    """Writes `scores.safetensors`: float32 scores by parameter name.

    Processes that each hold a shard write into one file together. All of them need write access to its path.
    """
    path = _path_to_save(path, scores, Scores)
    header = _scores_header(scores)
    if isinstance(scores, ScoresShard):
        pieces = {name: (scores.starts[name], tensor) for name, tensor in scores.entries.items()}
        shapes = {name: (torch.float32, shape) for name, shape in scores.shapes.items()}
        save_together(path, shapes, pieces, "scores", header)
        return
    save_tensors(path, {name: tensor.contiguous() for name, tensor in scores.entries.items()}, "scores", header)


class ScoresFile:
    """A file of scores, written one parameter at a time so that memory never holds all scores."""

    def __init__(self, path: Path, outline: Scores) -> None:
        """Creates the file with all scores zero, or continues an existing one.

        Args:
            path: the file. The caller keeps others from reading it until `finish` has run.
            outline: names and shapes of the scores to come, and their metadata so far, without values.
        """
        self.path = path
        if not path.is_file():
            metadata = {"holdfast": "scores", "header": json.dumps(_scores_header(outline)) + " " * ROOM}
            partial = path.with_name(f"{path.name}.partial")
            partial.unlink(missing_ok=True)  # a run that was killed may have left one
            create(partial, {name: (torch.float32, shape) for name, shape in outline.shapes.items()}, metadata)
            os.replace(partial, path)
        self._stored, _ = read_header(path)

    def write(self, name: str, scores: Tensor) -> None:
        """Writes the scores of one parameter into the file."""
        assert tuple(scores.shape) == self._stored[name].shape
        self._stored[name].write(0, scores.to("cpu", torch.float32).flatten())

    def finish(self, outline: Scores) -> None:
        """Writes the final metadata."""
        header = json.dumps(_scores_header(outline), sort_keys=True)
        replace_metadata(self.path, {"holdfast": "scores", "header": header})


@checked_call
def load_scores(path: str | Path) -> Scores:
    """Loads scores that `save_scores` wrote. Each of several processes gets its share of every parameter's entries."""
    path = _path(path)
    return _load_shard(path) if world_size() > 1 else load_whole_scores(path)


def load_whole_scores(path: Path) -> Scores:
    """Loads scores that `save_scores` wrote, whole in every process."""
    tensors, header = load_tensors(path, "scores")
    with explained(path, "scores"):
        unit, granularity = header["unit"], units_of(path, header)
        return Scores(tensors, unit, header["base"], header["num_parameters"], header["made_by"], granularity)


def _load_shard(path: Path) -> ScoresShard:
    header = load_header(path, "scores")
    stored, _ = read_header(path)
    parts = {name: share_of(tensor.num_entries) for name, tensor in stored.items()}
    with explained(path, "scores"):
        return ScoresShard(
            {name: stored[name].read(part.start, len(part)) for name, part in parts.items()},
            header["unit"],
            header["base"],
            header["num_parameters"],
            header["made_by"],
            units_of(path, header),
            whole_shapes={name: tensor.shape for name, tensor in stored.items()},
            starts={name: part.start for name, part in parts.items()},
        )


def save_sums(path: Path, sums: Mapping[str, Tensor], num_batches: int) -> None:
    """Writes the sums over the batches so far: float32 by parameter name."""
    save_tensors(path, sums, "sums", {"num_batches": num_batches})


def load_sums(path: Path) -> tuple[dict[str, Tensor], int]:
    """Loads sums that `save_sums` wrote, with the number of batches in them."""
    tensors, header = load_tensors(path, "sums")
    return tensors, header["num_batches"]


@checked_call
def save_mask(path: str | Path, mask: Mask) -> None:
    """Writes `mask.safetensors`: sorted flat indices by parameter name, int32 where they fit."""
    path = _path_to_save(path, mask, Mask)
    header = _mask_header(mask)
    tensors = {name: _narrow(index, mask.shapes[name]) for name, index in mask.indices.items()}
    save_tensors(path, tensors, "mask", header)


def save_mask_parts(path: Path, mask: Mask) -> None:
    """Writes one `mask.safetensors` from several processes, each its own entries, in the order of ranks."""
    counts = gathered({name: index.numel() for name, index in mask.indices.items()})
    lengths = {name: sum(sizes.get(name, 0) for sizes in counts) for name in sorted(set().union(*counts))}
    narrowed = {name: _narrow(mask[name], mask.shapes[name]) for name in lengths}
    starts = {name: sum(sizes.get(name, 0) for sizes in counts[: rank()]) for name in narrowed}
    pieces = {name: (starts[name], index) for name, index in narrowed.items()}
    shapes = {name: (index.dtype, (lengths[name],)) for name, index in narrowed.items()}
    save_together(path, shapes, pieces, "mask", _mask_header(mask))


@checked_call
def load_mask(path: str | Path, base: str | None = None) -> Mask:
    """Loads a mask that `save_mask` wrote.

    Raises:
        ValueError: the file is no mask, or its mask was made for another model than `base`, where that is given.
    """
    path = _path(path)
    tensors, header = load_tensors(path, "mask")
    with explained(path, "mask"):
        shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
        indices = {name: index.to(torch.int64) for name, index in tensors.items()}
        mask = Mask(
            indices, shapes, header["base"], header["num_parameters"], header["made_by"], units_of(path, header)
        )
    if base is not None:
        refuse_other_base(f"mask {str(path)!r}", mask, base)
    return mask


class ValuesHash:
    """SHA-256 over values by name, added in the order of names. A vector may be added in several pieces."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.name: str | None = None

    def update(self, name: str, values: Tensor) -> None:
        """Adds the next values of this name."""
        if name != self.name:
            self.digest.update(name.encode())
            self.name = name
        self.digest.update(values.cpu().contiguous().view(torch.uint8).numpy().data)

    def hexdigest(self) -> str:
        """Returns the hash of all values added so far."""
        return self.digest.hexdigest()


@checked_call
def save_patch(path: str | Path, patch: Patch) -> None:
    """Writes `patch.safetensors`: for every name its indices, its new values and, where kept, its old values.

    The header holds a hash of the old values, so that values read from a base later can be checked.
    """
    path = _path_to_save(path, patch, Patch)
    tensors = {f"{name}:index": _narrow(index, patch.shapes[name]) for name, index in patch.indices.items()}
    tensors |= {f"{name}:value": values.contiguous() for name, values in patch.values.items()}
    old = ValuesHash()
    for name, values in sorted((patch.old_values or {}).items()):
        tensors[f"{name}:old"] = values.contiguous()
        old.update(name, values)
    header = {
        "shapes": {name: list(shape) for name, shape in patch.shapes.items()},
        "base": patch.base,
        "made_by": patch.made_by,
        "old_hash": old.hexdigest() if patch.old_values is not None else None,
    }
    save_tensors(path, tensors, "patch", header)


@checked_call
def load_patch(path: str | Path) -> Patch:
    """Loads a patch that `save_patch` wrote."""
    path = _path(path)
    tensors, header = load_tensors(path, "patch")
    parts: dict[str, dict[str, Tensor]] = {"index": {}, "value": {}, "old": {}}
    with explained(path, "patch"):
        for key, tensor in tensors.items():
            name, _, part = key.rpartition(":")
            parts[part][name] = tensor.to(torch.int64) if part == "index" else tensor
        shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
        return Patch(parts["index"], parts["value"], shapes, header["base"], parts["old"] or None, header["made_by"])


@checked_call
def save_direction(path: str | Path, direction: Direction) -> None:
    """Writes `direction.safetensors`: the vector in float32, with layer, norm and base in the header."""
    path = _path_to_save(path, direction, Direction)
    header = {name: getattr(direction, name) for name in ("layer", "norm", "base", "made_by")}
    save_tensors(path, {"vector": direction.vector.float().contiguous()}, "direction", header)


@checked_call
def load_direction(path: str | Path) -> Direction:
    """Loads a direction that `save_direction` wrote."""
    path = _path(path)
    tensors, header = load_tensors(path, "direction")
    with explained(path, "direction"):
        return Direction(tensors["vector"], header["layer"], header["norm"], header["base"], header["made_by"])


@checked_call
def save_evaluation(path: str | Path, evaluation: Evaluation) -> None:
    """Writes an evaluation with every answer as JSON."""
    save_json(_path_to_save(path, evaluation, Evaluation), asdict(evaluation))


@checked_call
def load_evaluation(path: str | Path) -> Evaluation:
    """Loads an evaluation that `save_evaluation` wrote."""
    path = _path(path)
    content = load_json(path, "evaluation")
    refuse_other(path, identify_record(content), "evaluation")
    with explained(path, "evaluation"):
        answers = tuple(map(_answer, content["answers"]))
        groups = {str(FORMER_NAMES.get(name, name)): Rate(**values) for name, values in content["groups"].items()}
        asr, over_refusal, utility = (Rate(**content[name]) for name in ("asr", "over_refusal", "utility"))
        task = Rate(**content["task"]) if content["task"] else None
        made_by = dict(content.get("made_by", {}))  # files of the first versions have no such entry
        perplexity = Rate(**content["perplexity_rate"]) if content.get("perplexity_rate") else None
        losses = tuple(TokenLosses(**record) for record in content.get("losses", ()))
        later = {"perplexity_rate": perplexity, "losses": losses}
        return Evaluation(asr, over_refusal, utility, content["perplexity"], task, groups, answers, made_by, **later)


def _answer(record: dict) -> Answer:
    later = {name: record.get(name) for name in ("refusal", "coherence")}  # older files have neither
    outcomes = {name: Outcome(**known) if known else None for name, known in later.items()}
    return Answer(**{**record, **outcomes, "outcome": Outcome(**record["outcome"])})


def refuse_other_base(what: str, made: Made, base: str, name: str | None = None) -> None:
    """Raises ValueError when a file was made for another model than the one with this fingerprint and name."""
    if made.base != base:
        raise ValueError(
            f"{other_model_words(what, made, (name, base))}; give the model that it was made for, or make it again "
            "for this one."
        )


def _path(given: str | Path) -> Path:
    if not isinstance(given, str | Path):
        raise ValueError(f"the path of a file was expected, got {type(given).__name__}; give the file to load.")
    return Path(given)


def _path_to_save(given: str | Path, value: object, kind: type) -> Path:
    if not isinstance(given, str | Path):
        raise ValueError(f"the path of a file comes first, got {type(given).__name__}; give the path, then the value.")
    require(value, kind, "give the path, then the value")
    return Path(given)


def _narrow(index: Tensor, shape: tuple[int, ...]) -> Tensor:
    return index.to(torch.int32) if entries_in(shape) <= INT32_MAX else index


def _scores_header(scores: Scores) -> dict[str, object]:
    return {"unit": scores.unit, **_common_header(scores)}


def _mask_header(mask: Mask) -> dict[str, object]:
    return {"shapes": {name: list(shape) for name, shape in mask.shapes.items()}, **_common_header(mask)}


def _common_header(value: Scores | Mask) -> dict[str, object]:
    own = {"base": value.base, "num_parameters": value.num_parameters, "made_by": value.made_by}
    return {**own, **units_entry(value.granularity)}
