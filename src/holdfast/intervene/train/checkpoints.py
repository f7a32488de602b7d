"""Marks a folder of training checkpoints as one run's, finds the last complete checkpoint, and removes the folder.

The folder also keeps the loss of every step, so that a training that resumes can name the loss of its first step.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from holdfast.artifacts import load_json, save_json
from holdfast.intervene.options import SftOptions

MARK = "fine_tuning.json"
"""File beside the checkpoints that names the run they belong to."""
LOSSES = "losses.json"
"""File beside the checkpoints with the loss of every step so far."""


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
    return max(map(str, complete), key=steps_in) if complete else None


def steps_in(checkpoint: str | None) -> int:
    """Returns the number of steps before a checkpoint that `claim_folder` found. 0 without one."""
    return int(Path(checkpoint).name.split("-")[1]) if checkpoint else 0


def save_losses(folder: Path, losses: Mapping[int, float]) -> None:
    """Writes the losses by step. A checkpoint that is saved afterwards finds all of its steps there."""
    save_json(folder / LOSSES, {"losses": {str(step): loss for step, loss in losses.items()}})


def load_losses(folder: Path, steps_done: int) -> dict[int, float]:
    """Loads the losses of the first steps. Empty in a folder of an earlier version, which kept none."""
    path = folder / LOSSES
    known = load_json(path)["losses"] if path.is_file() else {}
    return {int(step): loss for step, loss in known.items() if int(step) < steps_done}


def discard_checkpoints(folder: Path) -> None:
    """Removes a folder of checkpoints. A folder without the mark of a fine-tuning run stays."""
    if (folder / MARK).is_file():
        shutil.rmtree(folder)
