"""What to do about a file that is broken: which to remove, and what to run again to have it anew."""

from pathlib import Path

COMMANDS = {"scores": "score", "mask": "select", "patch": "enhance", "evaluation": "evaluate"}
"""The command that writes files of each kind, where a run did not."""
MADE_BY = {"manifest.json": "the `holdfast run` or `holdfast demo`", "settings.json": "the command"}
"""The file that marks the folder of some command. Without it nobody knows what is there, and the folder goes whole."""


def remedy(path: Path, kind: str = "") -> str:
    """The end of a sentence about a broken file, without its full stop.

    Args:
        path: the file.
        kind: what it should have been: a kind of tensor file, 'evaluation', or 'checkpoint' of a model.
    """
    if kind == "checkpoint":
        return "download or save the model again"
    if path.name in MADE_BY:
        return f"remove the folder {str(path.parent)!r} and run the command that made it again"
    for mark, command in MADE_BY.items():
        for folder in path.parents:
            if (folder / mark).is_file():
                return f"remove it and run {command} of {str(folder)!r} again, which makes what is missing"
    command = f"`holdfast {COMMANDS[kind]}`" if kind in COMMANDS else "the command that made it"
    return f"remove it and run {command} again"
