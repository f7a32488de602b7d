"""Errors of loaders about a file of the wrong kind: what the file is, and what to give in its place."""

from collections.abc import Collection
from pathlib import Path

from holdfast.file_kinds import TENSORS, FileKind, identify
from holdfast.remedy import makers, remedy

ADVICE = {
    ("scores", "mask"): "cut a mask from it: `holdfast select {path} --out mask.safetensors`",
    ("mask", "scores"): "give the file that it was cut from, which `holdfast score` wrote",
    (
        "report",
        "evaluation",
    ): "give evaluations of its folder, such as adapt/start.json and adapt/plain/evaluation.json",
    ("manifest", "evaluation"): "give evaluations of its folder, such as adapt/start.json and "
    "adapt/plain/evaluation.json",
    ("printed", "evaluation"): "give the file that `holdfast evaluate --out FILE` wrote",
    ("second_judge", "evaluation"): "give the evaluation beside it",
}
"""Advice by the kind of the file given and the kind that the loader reads."""
WANTED = {
    "scores": "scores",
    "mask": "a mask",
    "patch": "a patch",
    "direction": "a direction",
    "sums": "sums",
    "evaluation": "an evaluation",
    "manifest": "the manifest of a run",
    "judge_card": "the card of a judge",
    "reproduce": "what `holdfast reproduce` needs",
    "checkpoint": "a JSON object",
    "": "a JSON object",
}
"""Names for sentences of the kinds that loaders read."""

READ_BY = {
    "judge_card": "give it to `holdfast evaluate`, `compare` or `report` as --judge-card",
    "reproduce": "`holdfast reproduce {path}` makes the evaluation again",
    "sums": "run its `holdfast score` again, which goes on and writes scores",
    "second_judge": "give the evaluation beside it",
    "report": "`holdfast report {folder}` reads the run that it belongs to",
    "manifest": "`holdfast report {folder}` reads the run that it belongs to",
    "comparison": "give one of the evaluations that were compared",
    "printed": "give the file that `holdfast evaluate --out FILE` wrote",
    "bakeoff": "bakeoff.html beside it shows it",
    "adapter": "merge it, and compare the checkpoint with `holdfast check`",
    "adapter_config": "merge the adapter, and compare the checkpoint with `holdfast check`",
    "weights": "`holdfast sites {folder}` lists a model's parameters and prints its fingerprint",
    "model_config": "`holdfast sites {folder}` lists a model's parameters and prints its fingerprint",
    "model_index": "`holdfast sites {folder}` lists a model's parameters and prints its fingerprint",
    "tokenizer": "`holdfast sites {folder}` lists a model's parameters and prints its fingerprint",
    "text": "`holdfast prompts show {path}` reads prompts",
    "cut_off": "make it again",
    "broken_json": "make it again",
}
"""Advice on files that `holdfast show` does not read, by kind."""
OTHERS = {".toml": "a config", ".csv": "a table in CSV", ".tsv": "a table in TSV", ".html": "a page", ".md": "a text"}
"""Kinds of text files by suffix. No result of holdfast has one of these suffixes."""
MARKS = (
    ("manifest.json", "`holdfast report {path}` reads the folder of a run"),
    ("adapter_config.json", "merge the adapter, and compare the checkpoint with `holdfast check`"),
    ("config.json", "`holdfast sites {path}` lists a model's parameters and prints its fingerprint"),
)
"""Advice on folders, by a file in them. The first match counts."""
SHOWN = ("scores", "mask", "patch", "direction", "evaluation", "verification")


def refuse_unshown(path: Path, found: FileKind) -> None:
    """Raises ValueError when `holdfast show` can't read a file. It says what the file is and which command reads it."""
    if found.name in SHOWN:
        return
    if found.name == "missing":
        raise ValueError(f"{str(path)!r} does not exist; check the path.")
    advice = READ_BY.get(found.name, "give a file that holdfast wrote").format(path=path, folder=path.parent)
    if found.name == "folder":
        advice = _reads_folder(path)
    raise ValueError(
        f"{str(path)!r} is {found.words}, and `holdfast show` reads scores, masks, patches, directions, "
        f"evaluations and verifications; {advice}."
    )


def _reads_folder(folder: Path) -> str:
    for name, advice in MARKS:
        if (folder / name).is_file():
            return advice.format(path=folder)
    fitting = _fitting(folder, SHOWN)
    return f"give a file: {' or '.join(fitting)}" if fitting else "give a file"


def require_kind(path: Path, kind: str) -> None:
    """Raises ValueError when a file is not of that kind. It says what the file is and what to give.

    A file that was cut off passes, because its loader says where it ends.
    """
    found = identify(path)
    if found.name == "missing":
        raise ValueError(
            f"{kind or 'JSON'} file {str(path)!r} does not exist; make it {_maker(kind)}, or check the path."
        )
    refuse_other(path, found, kind)


def refuse_other(path: Path, found: FileKind, kind: str) -> None:
    """Raises ValueError when a file is of another kind than the loader reads. A file that was cut off passes."""
    if found.name in (kind, "cut_off" if kind in TENSORS else "broken_json"):
        return
    advice = ADVICE.get((found.name, kind), f"give a file that was made {_maker(kind)}").format(path=path)
    if found.name == "folder":
        advice = _inside(path, kind)
    elif path.suffix in OTHERS and found.name == "text":
        raise ValueError(f"{str(path)!r} is {OTHERS[path.suffix]}, not {WANTED.get(kind, f'a {kind} file')}; {advice}.")
    elif found.name in ("empty", "json", "text", "binary"):  # only its path can tell whether holdfast wrote it
        advice = remedy(path, kind)
    raise ValueError(f"{str(path)!r} is {found.words}, not {WANTED.get(kind, f'a {kind} file')}; {advice}.")


def _maker(kind: str) -> str:
    return f"with {makers(kind)}" if makers(kind) else "by holdfast"


def _inside(folder: Path, kind: str) -> str:
    """Advice to give a file of that kind in place of a folder. It names those that the folder holds."""
    fitting = _fitting(folder, (kind,))
    return f"give a file: {' or '.join(fitting)}" if fitting else f"give a file that was made {_maker(kind)}"


def _fitting(folder: Path, kinds: Collection[str]) -> list[str]:
    """Lists files of these kinds in a folder, at most three."""
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in (".safetensors", ".json"))
    return [str(path) for path in paths if identify(path).name in kinds][:3]
