"""Paths of the files of a scoring: scores, those of two halves beside them, responses, convergence and stability."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from holdfast.artifacts import load_whole_scores, save_text
from holdfast.granularity import units_of
from holdfast.models.response_log import Response
from holdfast.outcomes import Stability
from holdfast.pipeline.outputs import refuse_existing, unfinished_folder
from holdfast.remedy import remedy
from holdfast.select.stability import stability
from holdfast.tensor_files import StoredTensor, read_header
from holdfast.values import Scores
from holdfast.wrong_files import require_kind

HALVES = ("first_half", "second_half")


def files_of(out: Path) -> list[Path]:
    """Returns the path of the scores, and those of the halves beside them."""
    return [out, *(out.with_name(f"{out.stem}_{half}.safetensors") for half in HALVES)]


def responses_of(out: Path) -> Path:
    """Returns the path of the responses that scores were made from."""
    return out.with_name(f"{out.stem}_responses.jsonl")


def convergence_of(out: Path) -> Path:
    """Returns the path of the convergence: the agreement of halves of fewer prompts."""
    return out.with_name(f"{out.stem}_convergence.json")


def examples_of(out: Path) -> Path:
    """Returns the path of the scores of neurons by example."""
    return out.with_name(f"{out.stem}_examples.safetensors")


def stability_of(out: Path) -> Path:
    """Returns the path of the stability: the agreement of the masks of two halves."""
    return out.with_name(f"{out.stem}_stability.json")


def halves_stability(out: Path) -> Stability:
    """Measures how far the scores of the two halves beside `out` agree.

    Raises:
        ValueError: a file is missing, or too few scores are above 0 for a ranking.
    """
    _, first_half, second_half = files_of(out)
    return stability(load_whole_scores(first_half), load_whole_scores(second_half))


def remove_beside(out: Path) -> None:
    """Removes what an earlier scoring wrote beside its scores and a later one may not write: responses and curves."""
    for path in (responses_of(out), convergence_of(out), examples_of(out), stability_of(out)):
        path.unlink(missing_ok=True)


def remove_rest(out: Path) -> None:
    """Removes files beside missing scores, unless an unfinished scoring will resume."""
    if not unfinished_folder(out).exists():
        for path in [*files_of(out), responses_of(out), convergence_of(out), examples_of(out)]:
            path.unlink(missing_ok=True)


def refuse_outputs(paths: Sequence[Path], out: Path) -> None:
    """Raises ValueError when a result exists. Beside an unfinished scoring, only the scores themselves are checked."""
    for path in [out] if unfinished_folder(out).exists() else paths:
        refuse_existing(path)


def outline_of_scores(path: Path) -> tuple[Scores, dict[str, StoredTensor]]:
    """Reads names, shapes and metadata of scores, on the meta device, and the place of their values in the file.

    Raises:
        ValueError: the file is missing, broken or of another kind.
    """
    require_kind(path, "scores")
    stored, metadata = read_header(path, "scores")
    try:
        header = json.loads(metadata["header"])
        entries = {name: torch.empty(tensor.shape, device="meta") for name, tensor in stored.items()}
        others = header["base"], header["num_parameters"], header["made_by"], units_of(path, header)
        return Scores(entries, header["unit"], *others), stored
    except (KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"scores file {str(path)!r} lacks {error}; {remedy(path, 'scores')}.") from error


def save_responses(path: Path, responses: Sequence[Response]) -> None:
    """Writes one JSON object a response."""
    save_text(path, "".join(json.dumps(asdict(response)) + "\n" for response in responses))
