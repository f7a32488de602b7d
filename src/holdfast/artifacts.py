"""Save and load values: safetensors with metadata in the header, JSON for records, all written atomically.

Text and JSON that hold no value are in `json_files`, which needs no torch; their functions can be had from here, too.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from holdfast.distributed import first, gathered, rank, share_of, wait_for_all, world_size
from holdfast.file_kinds import identify_record
from holdfast.json_files import digest as digest
from holdfast.json_files import load_json as load_json
from holdfast.json_files import save_json as save_json
from holdfast.json_files import save_text as save_text
from holdfast.outcomes import Answer, Evaluation, Outcome, Rate, TokenLosses
from holdfast.remedy import remedy
from holdfast.tensor_files import create, read_header, replace_metadata
from holdfast.values import Mask, Patch, Scores, ScoresShard, entries_in
from holdfast.wrong_files import refuse_other, require_kind

FORMER_NAMES = {"over_refusal/borderline": "borderline"}
"""What groups of an evaluation were called in files of before."""
INT32_MAX = 2**31 - 1
ROOM = 256
"""Characters that the metadata of scores may grow by while they are written."""


def seed_from(content: object) -> int:
    """A seed that is the same for the same JSON-able value, below 2^60."""
    return int(digest(content)[:15], 16)


def save_scores(path: str | Path, scores: Scores) -> None:
    """Writes `scores.safetensors`: float32 scores by parameter name.

    Of a shard every process writes what it holds into the same file, which has to lie where all of them can write.
    """
    path, header = _path(path), _scores_header(scores)
    if isinstance(scores, ScoresShard):
        pieces = {name: (scores.starts[name], tensor) for name, tensor in scores.entries.items()}
        shapes = {name: (torch.float32, shape) for name, shape in scores.shapes.items()}
        _save_together(path, shapes, pieces, "scores", header)
        return
    _save_tensors(path, {name: tensor.contiguous() for name, tensor in scores.entries.items()}, "scores", header)


class ScoresFile:
    """A file of scores that is written one parameter at a time, so that they are never all in memory."""

    def __init__(self, path: Path, outline: Scores) -> None:
        """Makes the file, all of it zeros, or goes on with one that is there.

        Args:
            path: the file, which whoever asks for it keeps from use until it is finished.
            outline: names and shapes of the scores that will be, and what is known of their metadata; no values.
        """
        self.path = path
        if not path.is_file():
            metadata = {"holdfast": "scores", "header": json.dumps(_scores_header(outline)) + " " * ROOM}
            partial = path.with_name(f"{path.name}.partial")
            partial.unlink(missing_ok=True)  # of a run that was killed
            create(partial, {name: (torch.float32, shape) for name, shape in outline.shapes.items()}, metadata)
            os.replace(partial, path)
        self._stored, _ = read_header(path)

    def write(self, name: str, scores: Tensor) -> None:
        """Puts one parameter's scores into the file."""
        assert tuple(scores.shape) == self._stored[name].shape
        self._stored[name].write(0, scores.to("cpu", torch.float32).flatten())

    def finish(self, outline: Scores) -> None:
        """Writes the metadata as it is known in the end."""
        header = json.dumps(_scores_header(outline), sort_keys=True)
        replace_metadata(self.path, {"holdfast": "scores", "header": header})


def load_scores(path: str | Path) -> Scores:
    """Scores that `save_scores` wrote; of several processes each gets its share of every parameter's entries."""
    path = _path(path)
    return _load_shard(path) if world_size() > 1 else load_whole_scores(path)


def load_whole_scores(path: Path) -> Scores:
    """The same, whole, whatever the number of processes."""
    tensors, header = _load_tensors(path, "scores")
    with _whole(path, "scores"):
        return Scores(tensors, header["unit"], header["base"], header["num_parameters"], header["made_by"])


def _load_shard(path: Path) -> ScoresShard:
    header = _load_header(path, "scores")
    stored, _ = read_header(path)
    parts = {name: share_of(one.num_entries) for name, one in stored.items()}
    with _whole(path, "scores"):
        return ScoresShard(
            {name: stored[name].read(part.start, len(part)) for name, part in parts.items()},
            header["unit"],
            header["base"],
            header["num_parameters"],
            header["made_by"],
            whole_shapes={name: one.shape for name, one in stored.items()},
            starts={name: part.start for name, part in parts.items()},
        )


def save_sums(path: Path, sums: Mapping[str, Tensor], num_batches: int) -> None:
    """Writes what a sum over batches has come to: float32 by parameter name."""
    _save_tensors(path, sums, "sums", {"num_batches": num_batches})


def load_sums(path: Path) -> tuple[dict[str, Tensor], int]:
    """Sums that `save_sums` wrote, and the batches that are in them."""
    tensors, header = _load_tensors(path, "sums")
    return tensors, header["num_batches"]


def save_mask(path: str | Path, mask: Mask) -> None:
    """Writes `mask.safetensors`: sorted flat indices by parameter name, int32 where they fit."""
    path, header = _path(path), _mask_header(mask)
    tensors = {name: _narrow(index, mask.shapes[name]) for name, index in mask.indices.items()}
    _save_tensors(path, tensors, "mask", header)


def save_mask_parts(path: Path, mask: Mask) -> None:
    """The same of a mask whose entries lie in several processes, in the order of their ranks: each writes its own."""
    counts = gathered({name: index.numel() for name, index in mask.indices.items()})
    lengths = {name: sum(one.get(name, 0) for one in counts) for name in sorted(set().union(*counts))}
    narrowed = {name: _narrow(mask[name], mask.shapes[name]) for name in lengths}
    pieces = {name: (sum(one.get(name, 0) for one in counts[: rank()]), index) for name, index in narrowed.items()}
    shapes = {name: (index.dtype, (lengths[name],)) for name, index in narrowed.items()}
    _save_together(path, shapes, pieces, "mask", _mask_header(mask))


def load_mask(path: str | Path, base: str | None = None) -> Mask:
    """A mask that `save_mask` wrote; another base than `base` is refused."""
    path = _path(path)
    tensors, header = _load_tensors(path, "mask")
    with _whole(path, "mask"):
        if base is not None:
            refuse_other_base(f"mask {str(path)!r}", header["base"], base)
        shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
        indices = {name: index.to(torch.int64) for name, index in tensors.items()}
        return Mask(indices, shapes, header["base"], header["num_parameters"], header["made_by"])


def as_mask(given: Mask | str | Path) -> Mask:
    """A mask as it is given, or the one in the file at a path.

    Raises:
        ValueError: it is neither, or the file is missing or holds something else.
    """
    if isinstance(given, str | Path):
        return load_mask(given)
    if not isinstance(given, Mask):
        raise ValueError(
            f"a mask was expected, got {type(given).__name__}; give a Mask, or the path of a file that `holdfast "
            "select` wrote."
        )
    return given


class ValuesHash:
    """SHA-256 over values by name, fed in the order of names, a vector in as many pieces as it comes in."""

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
        """The hash of all that was added."""
        return self.digest.hexdigest()


def save_patch(path: str | Path, patch: Patch) -> None:
    """Writes `patch.safetensors`: for every name its indices, its new values and, where kept, its old ones.

    The header has a hash of the old ones, so that those which are read from a base later on can be checked.
    """
    path = _path(path)
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
    _save_tensors(path, tensors, "patch", header)


def load_patch(path: str | Path) -> Patch:
    """A patch that `save_patch` wrote."""
    path = _path(path)
    tensors, header = _load_tensors(path, "patch")
    parts: dict[str, dict[str, Tensor]] = {"index": {}, "value": {}, "old": {}}
    with _whole(path, "patch"):
        for key, tensor in tensors.items():
            name, _, part = key.rpartition(":")
            parts[part][name] = tensor.to(torch.int64) if part == "index" else tensor
        shapes = {name: tuple(shape) for name, shape in header["shapes"].items()}
        return Patch(parts["index"], parts["value"], shapes, header["base"], parts["old"] or None, header["made_by"])


def save_evaluation(path: str | Path, evaluation: Evaluation) -> None:
    """Writes an evaluation with every answer as JSON."""
    save_json(_path(path), asdict(evaluation))


def load_evaluation(path: str | Path) -> Evaluation:
    """An evaluation that `save_evaluation` wrote."""
    path = _path(path)
    content = load_json(path, "evaluation")
    refuse_other(path, identify_record(content), "evaluation")
    with _whole(path, "evaluation"):
        answers = tuple(map(_answer, content["answers"]))
        groups = {str(FORMER_NAMES.get(name, name)): Rate(**values) for name, values in content["groups"].items()}
        asr, over_refusal, utility = (Rate(**content[name]) for name in ("asr", "over_refusal", "utility"))
        task = Rate(**content["task"]) if content["task"] else None
        made_by = dict(content.get("made_by", {}))  # files of the first versions do not say
        surprise = Rate(**content["perplexity_rate"]) if content.get("perplexity_rate") else None
        losses = tuple(TokenLosses(**one) for one in content.get("losses", ()))
        later = {"perplexity_rate": surprise, "losses": losses}
        return Evaluation(asr, over_refusal, utility, content["perplexity"], task, groups, answers, made_by, **later)


def _answer(record: Mapping[str, Any]) -> Answer:
    later = {name: record.get(name) for name in ("refusal", "coherence")}  # files of before have none
    outcomes = {name: Outcome(**known) if known else None for name, known in later.items()}
    return Answer(**{**record, **outcomes, "outcome": Outcome(**record["outcome"])})


def refuse_other_base(what: str, made_for: str, base: str) -> None:
    """Raises ValueError when something was made for another model than this one."""
    if made_for != base:
        raise ValueError(
            f"{what} was made for another model (fingerprint {made_for[:12]}, this one has {base[:12]}); "
            "give the model that it was made for, or make it again for this one."
        )


def _path(given: str | Path) -> Path:
    if not isinstance(given, str | Path):
        raise ValueError(f"the path of a file comes first, got {type(given).__name__}; give the path, then the value.")
    return Path(given)


def allow_as_umask(path: Path) -> None:
    """Gives a file the permissions of any new one: safetensors writes through a temporary file of its owner's alone."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder) / "new"
        new.touch()
        path.chmod(new.stat().st_mode)


@contextmanager
def _whole(path: Path, kind: str) -> Iterator[None]:
    """Says in one sentence that a file lacks a part, or holds another thing in its place."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{kind} file {str(path)!r} lacks {error}; {remedy(path, kind)}.") from error
    except (TypeError, AttributeError, json.JSONDecodeError) as error:
        what = f"{kind} file {str(path)!r} is not as holdfast writes it: {error}"
        raise ValueError(f"{what}; {remedy(path, kind)}.") from error


def _narrow(index: Tensor, shape: tuple[int, ...]) -> Tensor:
    return index.to(torch.int32) if entries_in(shape) <= INT32_MAX else index


def _save_tensors(path: Path, tensors: Mapping[str, Tensor], kind: str, header: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    on_cpu = {name: tensor.cpu() for name, tensor in tensors.items()}
    try:
        save_file(on_cpu, partial, {"holdfast": kind, "header": json.dumps(header, sort_keys=True)})
    except SafetensorError as error:  # a full disk, or a place that takes no files
        partial.unlink(missing_ok=True)
        raise ValueError(f"{kind} file {str(path)!r} could not be written: {error}; choose another place.") from error
    _order_metadata(partial)
    allow_as_umask(partial)
    os.replace(partial, path)


def _order_metadata(path: Path) -> None:
    """Equal values make equal files: the library writes metadata in an order that changes from call to call."""
    replace_metadata(path, read_header(path)[1])


def _scores_header(scores: Scores) -> dict[str, object]:
    return {
        "unit": scores.unit,
        "base": scores.base,
        "num_parameters": scores.num_parameters,
        "made_by": scores.made_by,
    }


def _mask_header(mask: Mask) -> dict[str, object]:
    return {
        "shapes": {name: list(shape) for name, shape in mask.shapes.items()},
        "base": mask.base,
        "num_parameters": mask.num_parameters,
        "made_by": mask.made_by,
    }


def _save_together(
    path: Path,
    tensors: Mapping[str, tuple[torch.dtype, tuple[int, ...]]],
    pieces: Mapping[str, tuple[int, Tensor]],
    kind: str,
    header: Mapping[str, object],
) -> None:
    """Every process writes its pieces, each at the place of its first entry; the file gets its name when whole."""
    partial = path.with_name(f"{path.name}.partial")
    metadata = {"holdfast": kind, "header": json.dumps(header, sort_keys=True)}

    def make() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)  # of a run that was killed
        create(partial, tensors, metadata)

    first(make)
    stored, _ = read_header(partial)
    for name, (start, values) in pieces.items():
        stored[name].write(start, values.cpu())
    wait_for_all()
    first(lambda: os.replace(partial, path))


def _load_header(path: Path, kind: str) -> dict:
    require_kind(path, kind)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{kind} file {str(path)!r} is broken: {error}; {remedy(path, kind)}.") from error
    with _whole(path, kind):
        return json.loads(metadata["header"])


def _load_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict]:
    header = _load_header(path, kind)
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{kind} file {str(path)!r} is broken: {error}; {remedy(path, kind)}.") from error
