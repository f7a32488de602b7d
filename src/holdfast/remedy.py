"""What to do about a file that is broken, or not what was wanted. Nothing is advised that destroys what is not ours.

"Remove it" is said only of a file that holdfast can be seen to have written: by what it holds, or by its name in the
folder of a run. Any other file is to be moved away, or another to be given.
"""

from fnmatch import fnmatch
from pathlib import Path

from holdfast.file_kinds import identify

COMMANDS = {
    "scores": ("score",),
    "mask": ("select", "combine"),
    "patch": ("enhance", "patch diff"),
    "evaluation": ("evaluate",),
    "manifest": ("run",),
}
"""The commands that write files of each kind, where a run did not."""
MADE_BY = {"manifest.json": "the `holdfast run` or `holdfast demo`", "settings.json": "the command"}
"""The file that marks the folder of some command."""
WRITTEN = (
    *("scores*.safetensors", "utility*.safetensors", "mask.safetensors", "patch.safetensors", "masks/*.safetensors"),
    *("section.json", "start.json", "before.json", "evaluation.json", "untouched.json", "noise_*_draw_*.json"),
    *("result.json", "timing.json", "groups.json", "*_convergence.json", "report.json", "bakeoff.json"),
)
"""Names of what commands write into such folders."""


def remedy(path: Path, kind: str = "") -> str:
    """The end of a sentence about a broken file, without its full stop.

    Args:
        path: the file.
        kind: what it should have been: a kind of tensor file, 'evaluation', or 'checkpoint' of a model.
    """
    if kind == "checkpoint":
        return "download or save the model again"
    if path.name in MADE_BY:
        return (
            f"give another folder, or move {str(path.parent)!r} away, if it is of holdfast, and run the command that "
            "made it again"
        )
    if (marked := _marked(path)) is not None:
        folder, command = marked
        return f"remove it and run {command} of {str(folder)!r} again, which makes what is missing"
    command = makers(kind) or "the command that made it"
    if _is_seen_to_be_ours(path):
        return f"remove it and run {command} again"
    return f"give another file, or, if it was one of holdfast's, move it away and run {command} again"


def makers(kind: str) -> str:
    """The commands that write files of a kind: '`holdfast enhance` or `holdfast patch diff`'; nothing where none do."""
    return " or ".join(f"`holdfast {name}`" for name in COMMANDS.get(kind, ()))


def _marked(path: Path) -> tuple[Path, str] | None:
    """The folder above that some command has marked, and that command, of a file that bears a name it writes."""
    if not any(
        fnmatch(f"{path.parent.name}/{path.name}", f"*/{name}" if "/" not in name else name) for name in WRITTEN
    ):
        return None
    for mark, command in MADE_BY.items():
        for folder in path.parents:
            if (folder / mark).is_file() and _is_seen_to_be_ours(folder / mark):
                return folder, command
    return None


def _is_seen_to_be_ours(path: Path) -> bool:
    """Whether the file says so itself."""
    return identify(path).is_ours
