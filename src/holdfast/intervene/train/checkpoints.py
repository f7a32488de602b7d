"""Marks a folder of training checkpoints as one run's, finds the last whole checkpoint, and removes the folder."""

import shutil
from pathlib import Path

from holdfast.artifacts import load_json, save_json
from holdfast.intervene.entries import mask_digest as mask_digest
from holdfast.intervene.options import SftOptions

MARK = "fine_tuning.json"
"""Beside the checkpoints: the run that they belong to."""


def claim_folder(folder: Path, run: str, options: SftOptions, is_kept: bool) -> str | None:
    """Marks the folder as this run's and finds the checkpoint to go on from; refuses a folder of another run."""
    if not is_kept:
        if options.checkpoint_every:
            raise ValueError(f"checkpoint_every={options.checkpoint_every} needs an output folder; give output_dir.")
        return None
    mark = folder / MARK
    # The trainer writes its state last, so a checkpoint with one is whole.
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    if whole and (not mark.is_file() or load_json(mark)["run"] != run):
        raise ValueError(f"{str(folder)!r} holds another fine-tuning run; choose another folder or empty this one.")
    save_json(mark, {"run": run, "options": options.model_dump(mode="json")})
    return str(max(whole, key=lambda path: int(path.name.split("-")[1]))) if whole else None


def discard_checkpoints(folder: Path) -> None:
    """Removes a folder of checkpoints; one that no fine-tuning has marked stays."""
    if (folder / MARK).is_file():
        shutil.rmtree(folder)
