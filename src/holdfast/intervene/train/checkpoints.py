"""Marks a folder of training checkpoints as one run's, finds the last complete checkpoint, and removes the folder."""

import shutil
from pathlib import Path

from holdfast.artifacts import load_json, save_json
from holdfast.intervene.options import SftOptions

MARK = "fine_tuning.json"
"""File beside the checkpoints that names the run they belong to."""


def claim_folder(folder: Path, run: str, options: SftOptions, is_kept: bool) -> str | None:
    """Marks the folder as this run's and returns the checkpoint to resume from, if any.

    Raises:
        ValueError: the folder belongs to another run, or checkpoints are wanted without a folder.
    """
    if not is_kept:
        if options.checkpoint_every:
            raise ValueError(f"checkpoint_every={options.checkpoint_every} needs an output folder; give output_dir.")
        return None
    mark = folder / MARK
    # The trainer writes its state last, so a checkpoint with a state file is complete.
    complete = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    if complete and (not mark.is_file() or load_json(mark)["run"] != run):
        raise ValueError(f"{str(folder)!r} holds another fine-tuning run; choose another folder or empty this one.")
    save_json(mark, {"run": run, "options": options.model_dump(mode="json")})
    return str(max(complete, key=lambda path: int(path.name.split("-")[1]))) if complete else None


def discard_checkpoints(folder: Path) -> None:
    """Removes a folder of checkpoints. A folder without the mark of a fine-tuning run stays."""
    if (folder / MARK).is_file():
        shutil.rmtree(folder)
