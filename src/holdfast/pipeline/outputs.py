"""Where results go: never over what somebody else put there, and known to be writable before the work begins.

While long work runs there is a folder OUT.unfinished beside what it will write, with settings.json and what was done
so far. It goes when the result is written.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from holdfast.json_files import digest, load_json, save_json


def claim_folder(out: Path, settings: Mapping[str, object]) -> None:
    """Marks the folder as made with these settings, or goes on with it.

    A folder of ours in which nothing was made yet may be marked anew.

    Raises:
        ValueError: it was made with others, holds something else, or cannot be written.
    """
    mark = out / "settings.json"
    if not mark.is_file():
        refuse_foreign(out)
        save_json(mark, settings)
        return
    known = load_json(mark)
    other = sorted(name for name in {*known, *settings} if known.get(name) != settings.get(name))
    if other and known.keys() == settings.keys() and list(out.iterdir()) == [mark]:
        save_json(mark, settings)
    elif other:
        raise ValueError(
            f"{str(out)!r} holds results made with another {other[0]}; choose another folder with --out, or remove it."
        )


def refuse_foreign(out: Path) -> None:
    """Raises ValueError when there is something at `out`, and it is not an empty folder, or none can be made."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{str(out)!r} is not empty and holds no run; choose another folder with --out.")
    refuse_unwritable(out)


def refuse_existing(path: Path) -> None:
    """Raises ValueError when a result is there already, or none can be written there."""
    if path.exists():
        raise ValueError(f"{str(path)!r} exists already; choose another name for the output, or remove it first.")
    refuse_unwritable(path)


def refuse_unwritable(path: Path) -> None:
    """Raises ValueError when the nearest folder above that exists is none, or may not be written to."""
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise ValueError(f"{str(path)!r} cannot be written: {str(above)!r} is a file; choose another path with --out.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ValueError(f"{str(path)!r} cannot be written: no permission for {str(above)!r}; choose another --out.")


def unfinished_folder(out: Path) -> Path:
    """Where work on `out` keeps what it has done."""
    return out.with_name(f"{out.name}.unfinished")


@contextmanager
def unfinished(out: Path, settings: Mapping[str, object], *, keep_refused: bool = False) -> Iterator[Path]:
    """The folder of work in progress; it stays when the work is stopped, and is refused to other settings.

    Args:
        out: what is written in the end.
        settings: all that what is kept depends on.
        keep_refused: whether what was done also stays when a mistake is found. Otherwise it goes: the same call would
            be refused again, and a better one has other settings.
    """
    # Here, so that commands which only write a file, such as init, import no torch.
    from holdfast.distributed import first, rank, refuse_different, wait_for_all

    folder = unfinished_folder(out)
    for name, setting in settings.items():
        refuse_different(name, digest(setting))
    first(lambda: claim_folder(folder, settings))
    try:
        yield folder
    except ValueError:
        if rank() == 0 and (not keep_refused or list(folder.iterdir()) == [folder / "settings.json"]):
            shutil.rmtree(folder)
        raise
    wait_for_all()
    first(lambda: shutil.rmtree(folder))


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """A path to write a file or a folder at, which gets its name when it is whole and is removed when it fails.

    Raises:
        ValueError: there is something at `out`, or the rest of a run that was killed, or nothing can be written there.
    """
    refuse_existing(out)
    partial = out.with_name(f"{out.name}.partial")
    refuse_existing(partial)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        os.replace(partial, out)
    except BaseException:  # also an interrupt leaves nothing behind
        shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)
        raise
