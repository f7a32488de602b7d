"""Advice about a file that is broken or of the wrong kind. It never tells anybody to destroy another program's file.

It says "remove it" only about a file that holdfast wrote, as its content or its name in the folder of a run shows. For
any other file it says to move it away, or to give another.
"""

from fnmatch import fnmatch
from pathlib import Path

from holdfast.file_kinds import identify

COMMANDS = {
    "scores": ("score",),
    "mask": ("select", "combine"),
    "patch": ("enhance", "patch diff"),
    "direction": ("direction find",),
    "evaluation": ("evaluate",),
    "manifest": ("run",),
    "judge_card": ("judge-card",),
    "reproduce": ("report EVALUATION --reproduce FILE",),
}
"""Commands that write a file of each kind outside of a run."""
MADE_BY = {"manifest.json": "the `holdfast run` or `holdfast demo`", "settings.json": "the command"}
"""Files that mark a command's folder, with words for that command."""
WRITTEN = (
    *("scores*.safetensors", "utility*.safetensors", "mask.safetensors", "patch.safetensors", "masks/*.safetensors"),
    *("section.json", "start.json", "before.json", "evaluation.json", "untouched.json", "noise_*_draw_*.json"),
    *("result.json", "timing.json", "groups.json", "*_convergence.json", "report.json", "bakeoff.json", "summary.json"),
)
"""Names of the files that commands write into such folders."""


def remedy(path: Path, kind: str = "") -> str:
    """Advice about a broken file, as the end of a sentence without its full stop.

    Args:
        path: the file.
        kind: what the file should be: a kind of tensor file, 'evaluation', or 'checkpoint' for a model.
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
    """Lists the commands that write files of a kind, as in '`holdfast enhance` or `holdfast patch diff`'.

    The text is empty where no command writes that kind.
    """
    return " or ".join(f"`holdfast {name}`" for name in COMMANDS.get(kind, ()))


def _marked(path: Path) -> tuple[Path, str] | None:
    """Finds the marked folder around a file and its command, or None where commands write no file of that name."""
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
    """True where the file's content shows that holdfast wrote it."""
    return identify(path).is_ours
