"""Where results go: never over what somebody else put there, written by one command at a time, and known to be writable
before the work begins.

While long work runs there is a folder OUT.unfinished beside what it will write, with settings.json and what was done
so far. It goes when the result is written.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from holdfast.json_files import digest, load_json, save_json
from holdfast.pipeline.setting_differences import differences, listed


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
    if other and known.keys() == settings.keys() and holds_nothing(out):
        save_json(mark, settings)
    elif other:
        raise ValueError(
            f"{str(out)!r} holds results made with another {other[0]}{_which(known, settings, other[0])}; choose "
            "another folder with --out, or move this one away."
        )


def _which(known: Mapping[str, object], settings: Mapping[str, object], name: str) -> str:
    """' (seed is 1 here and 0 there)' where a setting is itself made of some."""
    before, now = known.get(name), settings.get(name)
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        return ""
    return f" ({listed(list(differences(now, before)))})"


def refuse_unclaimable(out: Path) -> None:
    """Raises ValueError when `out` can be nobody's folder: told before what the settings hold is loaded."""
    if not (out / "settings.json").is_file():
        refuse_foreign(out)


def refuse_foreign(out: Path) -> None:
    """Raises ValueError when there is something at `out`, and it is not an empty folder, or none can be made."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{str(out)!r} is not empty and holds no run; choose another folder with --out.")
    refuse_unwritable(out)


def refuse_existing(path: Path) -> None:
    """Raises ValueError when a result is there already, or none can be written there."""
    if path.exists():
        raise ValueError(f"{str(path)!r} exists already; choose another name for the output, or move it away first.")
    refuse_unwritable(path)


def refuse_unwritable(path: Path) -> None:
    """Raises ValueError when the nearest folder above that exists is none, or may not be written to."""
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise ValueError(f"{str(path)!r} cannot be written: {str(above)!r} is a file; choose another path.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ValueError(f"{str(path)!r} cannot be written: no permission for {str(above)!r}; choose another path.")


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
    from holdfast.distributed import first, wait_for_all

    folder = unfinished_folder(out)
    with claimed(folder, settings, keep_refused=keep_refused):
        yield folder
        wait_for_all()
        first(lambda: shutil.rmtree(folder))


@contextmanager
def claimed(out: Path, settings: Mapping[str, object], *, keep_refused: bool = True) -> Iterator[None]:
    """Marks the folder as made with these settings, and keeps other commands out while this lasts.

    A mistake that is found before anything is made leaves no folder.

    Args:
        out: the folder.
        settings: all that what is made there depends on.
        keep_refused: whether what was made stays when a mistake is found later.

    Raises:
        ValueError: as `claim_folder` and `written_alone` do, or processes were given different settings.
    """
    from holdfast.distributed import first, rank, refuse_different

    for name, setting in settings.items():
        refuse_different(name, digest(setting))
    first(lambda: claim_folder(out, settings))
    with written_alone(out):
        try:
            yield
        except ValueError:
            if rank() == 0 and (not keep_refused or holds_nothing(out)):
                shutil.rmtree(out)
            raise


def holds_nothing(folder: Path) -> bool:
    """Whether a folder of ours was claimed and nothing was made in it."""
    return list(folder.iterdir()) == [folder / "settings.json"]


@contextmanager
def written_alone(folder: Path) -> Iterator[None]:
    """Refuses the folder to other commands while this lasts; the system's lock ends with the process, however it ends.

    Raises:
        ValueError: another command is writing there.
    """
    from holdfast.distributed import first

    opened = os.open(folder, os.O_RDONLY) if sys.platform != "win32" else None
    try:
        if opened is not None:
            first(lambda: _lock(opened, folder))
        yield
    finally:
        if opened is not None:
            os.close(opened)


def _lock(opened: int, folder: Path) -> None:
    import fcntl  # not on Windows

    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(
            f"another command is writing to {str(folder)!r}; wait until it has ended, or choose another folder with "
            "--out."
        ) from None
    except OSError:
        return  # a file system without locks


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
