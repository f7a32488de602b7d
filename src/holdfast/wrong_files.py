"""A loader that is given another file than it reads says what the file is and what to give in its place."""

from pathlib import Path

from holdfast.file_kinds import TENSORS, FileKind, identify
from holdfast.remedy import COMMANDS, remedy

ADVICE = {
    ("scores", "mask"): "cut a mask from it: `holdfast select {path} --out mask.safetensors`",
    ("mask", "scores"): "give the file that it was cut from, which `holdfast score` wrote",
    (
        "report",
        "evaluation",
    ): "give evaluations of its folder, such as adapt/start.json and adapt/plain/evaluation.json",
    ("manifest", "evaluation"): "give evaluations of its folder, such as adapt/start.json and "
    "adapt/plain/evaluation.json",
    ("printed", "evaluation"): "give the file that --out named",
    ("second_judge", "evaluation"): "give the evaluation beside it",
}
"""What to do with the one where the other is wanted."""
WANTED = {
    "scores": "scores",
    "mask": "a mask",
    "patch": "a patch",
    "sums": "sums",
    "evaluation": "an evaluation",
    "manifest": "the manifest of a run",
    "checkpoint": "a JSON object",
    "": "a JSON object",
}
"""What loaders read, as a sentence calls it."""


def require_kind(path: Path, kind: str) -> None:
    """Raises ValueError when a file is not of that kind: says what it is, and what to give.

    A file that was cut off passes: its loader says where.
    """
    found = identify(path)
    if found.name == "missing":
        raise ValueError(
            f"{kind or 'JSON'} file {str(path)!r} does not exist; make it {_maker(kind)}, or check the path."
        )
    refuse_other(path, found, kind)


def refuse_other(path: Path, found: FileKind, kind: str) -> None:
    """Raises ValueError when something is of another kind than is wanted; a part of what is wanted passes."""
    if found.name in (kind, "cut_off" if kind in TENSORS else "broken_json"):
        return
    advice = ADVICE.get((found.name, kind), f"give a file that was made {_maker(kind)}").format(path=path)
    if found.name == "folder":
        advice = _inside(path, kind)
    elif found.name in ("empty", "json", "text", "binary"):  # whose it was, only its place can tell
        advice = remedy(path, kind)
    raise ValueError(f"{str(path)!r} is {found.words}, not {WANTED.get(kind, f'a {kind} file')}; {advice}.")


def _maker(kind: str) -> str:
    return f"with `holdfast {COMMANDS[kind]}`" if kind in COMMANDS else "by holdfast"


def _inside(folder: Path, kind: str) -> str:
    """The files of a kind that a folder holds, to be given in its place."""
    listed = sorted(one for one in folder.iterdir() if one.is_file() and one.suffix in (".safetensors", ".json"))
    fitting = [str(one) for one in listed if identify(one).name == kind][:3]
    return f"give a file: {' or '.join(fitting)}" if fitting else f"give a file that was made {_maker(kind)}"
